// The sample program (SampleProgram.h) for GPUs of sm_90a in place of what it has for them: every CPU entry again, "product",
// "update" and "refresh", with the CPU kernels' names. Its PTX has the kernels' parameters but no bodies: the fake driver of
// test/runtime/device/cuda knows what each of them does.
//
// "embed" takes a tensor map of its result, "square_loss" runs in persistent blocks with one counter, "update" does AdamW.
#pragma once

#include "test/codegen/SampleProgram.h"

namespace caa::test {

schedule::Program gpuSampleProgram();

} // namespace caa::test
