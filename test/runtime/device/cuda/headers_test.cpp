// Our declarations of the driver and of cuBLASLt, beside NVIDIA's: numbers, sizes and the shape of each function.
#include "runtime/device/cuda/cuda_api.h"

#include <cublasLt.h>
#include <cuda.h>
#include <gtest/gtest.h>

namespace caa {
namespace {

#define EXPECT_SAME(name) EXPECT_EQ(int(cuda::name), int(::name))

TEST(CudaHeaders, NumbersAreNvidias) {
  EXPECT_SAME(CUDA_SUCCESS);
  EXPECT_SAME(CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_SAME(CUDA_ERROR_STUB_LIBRARY);
  EXPECT_SAME(CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_SAME(CUDA_ERROR_NO_DEVICE);
  EXPECT_SAME(CUDA_ERROR_INVALID_IMAGE);
  EXPECT_SAME(CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_SAME(CUDA_ERROR_INVALID_PTX);
  EXPECT_SAME(CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
  EXPECT_SAME(CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  EXPECT_SAME(CUDA_ERROR_NOT_FOUND);
  EXPECT_SAME(CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_SAME(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_SAME(CUDA_ERROR_LAUNCH_TIMEOUT);
  EXPECT_SAME(CUDA_ERROR_ASSERT);
  EXPECT_SAME(CUDA_ERROR_HARDWARE_STACK_ERROR);
  EXPECT_SAME(CUDA_ERROR_ILLEGAL_INSTRUCTION);
  EXPECT_SAME(CUDA_ERROR_MISALIGNED_ADDRESS);
  EXPECT_SAME(CUDA_ERROR_INVALID_ADDRESS_SPACE);
  EXPECT_SAME(CUDA_ERROR_INVALID_PC);
  EXPECT_SAME(CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_SAME(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
  EXPECT_SAME(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  EXPECT_SAME(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  EXPECT_SAME(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  EXPECT_SAME(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  EXPECT_SAME(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  EXPECT_SAME(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
  EXPECT_SAME(CU_FUNC_ATTRIBUTE_NUM_REGS);
  EXPECT_SAME(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
  EXPECT_SAME(CU_JIT_ERROR_LOG_BUFFER);
  EXPECT_SAME(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
  EXPECT_SAME(CU_STREAM_NON_BLOCKING);
  EXPECT_SAME(CU_EVENT_DEFAULT);
  EXPECT_SAME(CU_EVENT_DISABLE_TIMING);
  EXPECT_SAME(CU_STREAM_CAPTURE_MODE_RELAXED);
  EXPECT_SAME(CU_TENSOR_MAP_DATA_TYPE_FLOAT32);
  EXPECT_SAME(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
  EXPECT_SAME(CU_TENSOR_MAP_INTERLEAVE_NONE);
  EXPECT_SAME(CU_TENSOR_MAP_SWIZZLE_NONE);
  EXPECT_SAME(CU_TENSOR_MAP_SWIZZLE_32B);
  EXPECT_SAME(CU_TENSOR_MAP_SWIZZLE_64B);
  EXPECT_SAME(CU_TENSOR_MAP_SWIZZLE_128B);
  EXPECT_SAME(CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
  EXPECT_SAME(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  EXPECT_SAME(CUBLAS_STATUS_SUCCESS);
  EXPECT_SAME(CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_SAME(CUBLAS_OP_N);
  EXPECT_SAME(CUBLAS_OP_T);
  EXPECT_SAME(CUBLAS_COMPUTE_32F);
  EXPECT_SAME(CUDA_R_32F);
  EXPECT_SAME(CUDA_R_16BF);
  EXPECT_SAME(CUBLASLT_MATMUL_DESC_TRANSA);
  EXPECT_SAME(CUBLASLT_MATMUL_DESC_TRANSB);
  EXPECT_SAME(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
  EXPECT_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
  EXPECT_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
  EXPECT_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
  EXPECT_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
}

TEST(CudaHeaders, StructuresHaveNvidiasSizes) {
  EXPECT_EQ(sizeof(cuda::CUdeviceptr), sizeof(::CUdeviceptr));
  EXPECT_EQ(sizeof(cuda::CUtensorMap), sizeof(::CUtensorMap));
  EXPECT_EQ(alignof(cuda::CUtensorMap), alignof(::CUtensorMap));
  EXPECT_EQ(sizeof(cuda::cublasLtMatmulAlgo_t), sizeof(::cublasLtMatmulAlgo_t));
  EXPECT_EQ(sizeof(cuda::cublasLtMatmulHeuristicResult_t), sizeof(::cublasLtMatmulHeuristicResult_t));
  EXPECT_EQ(offsetof(cuda::cublasLtMatmulHeuristicResult_t, state), offsetof(::cublasLtMatmulHeuristicResult_t, state));
}

/// What a type is passed as: pointers and handles as pointers, enumerations as their integers.
template <typename T>
using Passed = std::conditional_t<std::is_pointer_v<T>, void *,
                                  std::conditional_t<std::is_enum_v<T>, std::integral_constant<size_t, sizeof(T)>,
                                                     std::integral_constant<size_t, sizeof(T)>>>;
template <typename Ours, typename Theirs> struct SameCall : std::false_type {};
template <typename R, typename S, typename... A, typename... B>
  requires(sizeof...(A) == sizeof...(B))
struct SameCall<R (*)(A...), S (*)(B...)>
    : std::bool_constant<sizeof(R) == sizeof(S) && (std::is_same_v<Passed<A>, Passed<B>> && ...)> {};

TEST(CudaHeaders, FunctionsTakeWhatNvidiasDo) {
// (Symbols with a version are macros of the headers' own: the name without it means the newest.)
#define EXPECT_SAME_CALL(name, symbol, parameters)                                                                     \
  EXPECT_TRUE((SameCall<int(*) parameters, decltype(&::symbol)>::value)) << #symbol;
  using namespace cuda;
  CAA_CUDA_FUNCTIONS(EXPECT_SAME_CALL)
  CAA_CUBLASLT_FUNCTIONS(EXPECT_SAME_CALL)
}

} // namespace
} // namespace caa
