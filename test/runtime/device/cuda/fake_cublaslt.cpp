// cuBLASLt's functions, as far as the runtime calls them: products in float64, by the definition.
#include "runtime/device/cuda/cuda_api.h"
#include "test/runtime/device/cuda/fake_cuda.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <sstream>

using namespace caa::cuda;
using namespace caa::test;

namespace {

struct Operation {
  int first = CUBLAS_OP_N, second = CUBLAS_OP_N, compute = 0;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride; // of columns
};

double load(const void *data, const Layout &layout, uint64_t row, uint64_t column) {
  size_t at = size_t(column) * size_t(layout.stride) + row;
  if (layout.type == CUDA_R_16BF)
    return std::bit_cast<float>(uint32_t(static_cast<const uint16_t *>(data)[at]) << 16);
  return static_cast<const float *>(data)[at];
}

void store(void *data, const Layout &layout, uint64_t row, uint64_t column, double value) {
  size_t at = size_t(column) * size_t(layout.stride) + row;
  auto bits = std::bit_cast<uint32_t>(float(value));
  if (layout.type == CUDA_R_16BF)
    static_cast<uint16_t *>(data)[at] = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  else
    static_cast<float *>(data)[at] = float(value);
}

} // namespace

extern "C" {

int cublasLtCreate(cublasLtHandle_t *handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(uintptr_t(64));
  return fakeCuda().call(__func__);
}
int cublasLtDestroy(cublasLtHandle_t) { return 0; }
int cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *made, int compute, int) {
  *made = reinterpret_cast<cublasLtMatmulDesc_t>(new Operation{CUBLAS_OP_N, CUBLAS_OP_N, compute});
  return 0;
}
int cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t made) {
  delete reinterpret_cast<Operation *>(made);
  return 0;
}
int cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t made, int attribute, const void *value, size_t size) {
  auto *operation = reinterpret_cast<Operation *>(made);
  std::memcpy(attribute == CUBLASLT_MATMUL_DESC_TRANSA ? &operation->first : &operation->second, value, size);
  return 0;
}
int cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, int type, uint64_t rows, uint64_t columns,
                               int64_t stride) {
  *made = reinterpret_cast<cublasLtMatrixLayout_t>(new Layout{type, rows, columns, stride});
  return stride < int64_t(rows) ? 7 : 0;
}
int cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t made) {
  delete reinterpret_cast<Layout *>(made);
  return 0;
}
int cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made) {
  *made = reinterpret_cast<cublasLtMatmulPreference_t>(uintptr_t(64));
  return 0;
}
int cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) { return 0; }
int cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, int, const void *, size_t) { return 0; }

/// Two proposals of which the second is the runtime's to find out about.
int cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t first,
                                   cublasLtMatrixLayout_t second, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                   cublasLtMatmulPreference_t, int most, cublasLtMatmulHeuristicResult_t *results,
                                   int *count) {
  *count = most < 2 ? most : 2;
  for (int i = 0; i < *count; ++i)
    results[i] = {{{uint64_t(i + 1)}}, 0, 0, 1, {}};
  return fakeCuda().call(__func__, reinterpret_cast<Layout *>(first)->type == reinterpret_cast<Layout *>(second)->type
                                       ? "same types"
                                       : "other types");
}

int cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void *alphaAt, const void *first,
                   cublasLtMatrixLayout_t firstLayout, const void *second, cublasLtMatrixLayout_t secondLayout,
                   const void *betaAt, const void *c, cublasLtMatrixLayout_t cLayout, void *d,
                   cublasLtMatrixLayout_t dLayout, const cublasLtMatmulAlgo_t *algorithm, void *, size_t,
                   CUstream stream) {
  const Operation operation = *reinterpret_cast<Operation *>(description);
  const Layout a = *reinterpret_cast<Layout *>(firstLayout), b = *reinterpret_cast<Layout *>(secondLayout);
  const Layout from = *reinterpret_cast<Layout *>(cLayout), to = *reinterpret_cast<Layout *>(dLayout);
  const double alpha = *static_cast<const float *>(alphaAt), beta = *static_cast<const float *>(betaAt);
  const uint64_t m = to.rows, n = to.columns, k = operation.first == CUBLAS_OP_T ? a.rows : a.columns;
  std::ostringstream text;
  text << m << "x" << n << "x" << k << " compute=" << operation.compute << " algorithm=" << algorithm->data[0];
  if (int code = fakeCuda().call(__func__, text.str()))
    return code;
  const bool fits = (operation.first == CUBLAS_OP_T ? a.columns : a.rows) == m &&
                    (operation.second == CUBLAS_OP_T ? b.rows : b.columns) == n &&
                    (operation.second == CUBLAS_OP_T ? b.columns : b.rows) == k && from.rows == m;
  if (!fits)
    return 7;
  if (double(m) * double(n) * double(k) > 1e11) // the one that measures the device
    return 0;
  enqueueWork(stream, [=] {
    std::vector<double> left(m * k), sums(m); // left: the first operand, its rows next to each other
    for (uint64_t i = 0; i < k; ++i)
      for (uint64_t row = 0; row < m; ++row)
        left[i * m + row] = operation.first == CUBLAS_OP_T ? load(first, a, i, row) : load(first, a, row, i);
    for (uint64_t column = 0; column < n; ++column) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (uint64_t i = 0; i < k; ++i) {
        const double factor = operation.second == CUBLAS_OP_T ? load(second, b, column, i) : load(second, b, i, column);
        const double *values = &left[i * m];
        for (uint64_t row = 0; row < m; ++row)
          sums[row] += values[row] * factor;
      }
      for (uint64_t row = 0; row < m; ++row)
        store(d, to, row, column, alpha * sums[row] + (beta == 0 ? 0 : beta * load(c, from, row, column)));
    }
    for (uint64_t column = 0; column < n; ++column) {
      const uint64_t bytes = to.type == CUDA_R_16BF ? 2 : 4;
      memoryWatch().written(reinterpret_cast<uint64_t>(d) + column * uint64_t(to.stride) * bytes, m * bytes);
    }
    return 0;
  });
  return 0;
}

} // extern "C"
