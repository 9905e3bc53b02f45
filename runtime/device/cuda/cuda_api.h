// The few functions of NVIDIA's driver (libcuda.so.1) and of cuBLASLt that this runtime calls, declared by ourselves, so
// that nothing of CUDA is needed to build and a machine without it still runs everything else.
//
// Sources: "CUDA Driver API" and "cuBLAS", NVIDIA, for versions 12.0 to 13. Names and numbers are theirs; a test
// (test/runtime/device/cuda/headers_test.cpp) compares them with NVIDIA's headers where those are installed. Functions
// whose symbol carries a version (_v2) are loaded under that symbol.
#pragma once

#include <cstddef>
#include <cstdint>

namespace caa::cuda {

// ---- The driver ----------------------------------------------------------------------------------------------------

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct Context_ *;
using CUmodule = struct Module_ *;
using CUfunction = struct Function_ *;
using CUstream = struct Stream_ *;
using CUevent = struct Event_ *;
using CUgraph = struct Graph_ *;
using CUgraphExec = struct GraphExec_ *;

/// What every function returns; 0 is success. Those that a message is made of:
enum : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_STUB_LIBRARY = 34,
  CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_JIT_COMPILER_NOT_FOUND = 221,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_HARDWARE_STACK_ERROR = 714,
  CUDA_ERROR_ILLEGAL_INSTRUCTION = 715,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_INVALID_ADDRESS_SPACE = 717,
  CUDA_ERROR_INVALID_PC = 718,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
};

enum : int { // CUdevice_attribute
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
};
enum : int { // CUfunction_attribute
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};
enum : int { // CUjit_option
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6,
};
enum : unsigned { CU_STREAM_NON_BLOCKING = 1, CU_EVENT_DEFAULT = 0, CU_EVENT_DISABLE_TIMING = 2 };
enum : int { CU_STREAM_CAPTURE_MODE_RELAXED = 2 };

enum : int { // CUtensorMapDataType and the enumerations beside it
  CU_TENSOR_MAP_DATA_TYPE_FLOAT32 = 7,
  CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9,
  CU_TENSOR_MAP_INTERLEAVE_NONE = 0,
  CU_TENSOR_MAP_SWIZZLE_NONE = 0,
  CU_TENSOR_MAP_SWIZZLE_32B = 1,
  CU_TENSOR_MAP_SWIZZLE_64B = 2,
  CU_TENSOR_MAP_SWIZZLE_128B = 3,
  CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3,
  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0,
};

struct alignas(128) CUtensorMap {
  uint64_t opaque[16];
};

/// X(name, symbol, parameters): member `name` of the table is the library's `symbol`. All return int.
#define CAA_CUDA_FUNCTIONS(X)                                                                                          \
  X(cuInit, cuInit, (unsigned))                                                                                        \
  X(cuDriverGetVersion, cuDriverGetVersion, (int *))                                                                   \
  X(cuGetErrorName, cuGetErrorName, (int, const char **))                                                              \
  X(cuGetErrorString, cuGetErrorString, (int, const char **))                                                          \
  X(cuDeviceGetCount, cuDeviceGetCount, (int *))                                                                       \
  X(cuDeviceGet, cuDeviceGet, (CUdevice *, int))                                                                       \
  X(cuDeviceGetName, cuDeviceGetName, (char *, int, CUdevice))                                                         \
  X(cuDeviceGetAttribute, cuDeviceGetAttribute, (int *, int, CUdevice))                                                \
  X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice))                                       \
  X(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice))                                               \
  X(cuCtxSetCurrent, cuCtxSetCurrent, (CUcontext))                                                                     \
  X(cuMemGetInfo, cuMemGetInfo_v2, (size_t *, size_t *))                                                               \
  X(cuMemAlloc, cuMemAlloc_v2, (CUdeviceptr *, size_t))                                                                \
  X(cuMemFree, cuMemFree_v2, (CUdeviceptr))                                                                            \
  X(cuMemAllocHost, cuMemAllocHost_v2, (void **, size_t))                                                              \
  X(cuMemFreeHost, cuMemFreeHost, (void *))                                                                            \
  X(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream))                            \
  X(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream))                                  \
  X(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream))                             \
  X(cuMemsetD8Async, cuMemsetD8Async, (CUdeviceptr, unsigned char, size_t, CUstream))                                  \
  X(cuModuleLoadDataEx, cuModuleLoadDataEx, (CUmodule *, const void *, unsigned, int *, void **))                      \
  X(cuModuleUnload, cuModuleUnload, (CUmodule))                                                                        \
  X(cuModuleGetFunction, cuModuleGetFunction, (CUfunction *, CUmodule, const char *))                                  \
  X(cuFuncGetAttribute, cuFuncGetAttribute, (int *, int, CUfunction))                                                  \
  X(cuFuncSetAttribute, cuFuncSetAttribute, (CUfunction, int, int))                                                    \
  X(cuLaunchKernel, cuLaunchKernel,                                                                                    \
    (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **))    \
  X(cuTensorMapEncodeTiled, cuTensorMapEncodeTiled,                                                                    \
    (CUtensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *, const uint32_t *, const uint32_t *,     \
     int, int, int, int))                                                                                              \
  X(cuStreamCreate, cuStreamCreate, (CUstream *, unsigned))                                                            \
  X(cuStreamDestroy, cuStreamDestroy_v2, (CUstream))                                                                   \
  X(cuStreamSynchronize, cuStreamSynchronize, (CUstream))                                                              \
  X(cuStreamWaitEvent, cuStreamWaitEvent, (CUstream, CUevent, unsigned))                                               \
  X(cuStreamBeginCapture, cuStreamBeginCapture_v2, (CUstream, int))                                                    \
  X(cuStreamEndCapture, cuStreamEndCapture, (CUstream, CUgraph *))                                                     \
  X(cuGraphInstantiate, cuGraphInstantiateWithFlags, (CUgraphExec *, CUgraph, unsigned long long))                     \
  X(cuGraphLaunch, cuGraphLaunch, (CUgraphExec, CUstream))                                                             \
  X(cuGraphExecDestroy, cuGraphExecDestroy, (CUgraphExec))                                                             \
  X(cuGraphDestroy, cuGraphDestroy, (CUgraph))                                                                         \
  X(cuEventCreate, cuEventCreate, (CUevent *, unsigned))                                                               \
  X(cuEventDestroy, cuEventDestroy_v2, (CUevent))                                                                      \
  X(cuEventRecord, cuEventRecord, (CUevent, CUstream))                                                                 \
  X(cuEventSynchronize, cuEventSynchronize, (CUevent))                                                                 \
  X(cuEventElapsedTime, cuEventElapsedTime, (float *, CUevent, CUevent))

// ---- cuBLASLt ------------------------------------------------------------------------------------------------------

using cublasLtHandle_t = struct LtHandle_ *;
using cublasLtMatmulDesc_t = struct LtMatmulDesc_ *;
using cublasLtMatrixLayout_t = struct LtMatrixLayout_ *;
using cublasLtMatmulPreference_t = struct LtMatmulPreference_ *;

struct cublasLtMatmulAlgo_t {
  uint64_t data[8];
};
struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  int state;
  float wavesCount;
  int reserved[4];
};

enum : int { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_NOT_SUPPORTED = 15 };
enum : int { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum : int { CUBLAS_COMPUTE_32F = 68 }; // with float32 operands: float32 throughout, no TF32
enum : int { CUDA_R_32F = 0, CUDA_R_16BF = 14 };
enum : int { CUBLASLT_MATMUL_DESC_TRANSA = 3, CUBLASLT_MATMUL_DESC_TRANSB = 4 };
enum : int {
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8,
};

#define CAA_CUBLASLT_FUNCTIONS(X)                                                                                      \
  X(cublasLtCreate, cublasLtCreate, (cublasLtHandle_t *))                                                              \
  X(cublasLtDestroy, cublasLtDestroy, (cublasLtHandle_t))                                                              \
  X(cublasLtMatmulDescCreate, cublasLtMatmulDescCreate, (cublasLtMatmulDesc_t *, int, int))                            \
  X(cublasLtMatmulDescDestroy, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t))                                      \
  X(cublasLtMatmulDescSetAttribute, cublasLtMatmulDescSetAttribute,                                                    \
    (cublasLtMatmulDesc_t, int, const void *, size_t))                                                                 \
  X(cublasLtMatrixLayoutCreate, cublasLtMatrixLayoutCreate,                                                            \
    (cublasLtMatrixLayout_t *, int, uint64_t, uint64_t, int64_t))                                                      \
  X(cublasLtMatrixLayoutDestroy, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t))                                \
  X(cublasLtMatmulPreferenceCreate, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t *))                    \
  X(cublasLtMatmulPreferenceDestroy, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t))                    \
  X(cublasLtMatmulPreferenceSetAttribute, cublasLtMatmulPreferenceSetAttribute,                                        \
    (cublasLtMatmulPreference_t, int, const void *, size_t))                                                           \
  X(cublasLtMatmulAlgoGetHeuristic, cublasLtMatmulAlgoGetHeuristic,                                                    \
    (cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,   \
     cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t *, int *))               \
  X(cublasLtMatmul, cublasLtMatmul,                                                                                    \
    (cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t, const void *,         \
     cublasLtMatrixLayout_t, const void *, const void *, cublasLtMatrixLayout_t, void *, cublasLtMatrixLayout_t,       \
     const cublasLtMatmulAlgo_t *, void *, size_t, CUstream))

#define CAA_CUDA_MEMBER(name, symbol, parameters) int(*name) parameters = nullptr;
struct DriverTable {
  CAA_CUDA_FUNCTIONS(CAA_CUDA_MEMBER)
};
struct CublasLtTable {
  CAA_CUBLASLT_FUNCTIONS(CAA_CUDA_MEMBER)
};
#undef CAA_CUDA_MEMBER

} // namespace caa::cuda
