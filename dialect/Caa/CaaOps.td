// All ops of the `caa` dialect, one file per concept.
include "dialect/Caa/CaaBase.td"
include "dialect/Caa/CaaAttributes.td"
include "dialect/Caa/CaaModelOps.td"
include "dialect/Caa/CaaTokenOps.td"
include "dialect/Caa/CaaAttendOps.td"
include "dialect/Caa/CaaLossOps.td"
include "dialect/Caa/CaaGradientOps.td"
include "dialect/Caa/CaaKernelOps.td"
