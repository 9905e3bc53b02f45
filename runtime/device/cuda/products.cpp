// cuBLASLt is column-major: D^T = op(B)^T op(A)^T, so A and B change places and nothing else.
#include "runtime/device/cuda/products.h"

#include "runtime/engine/image.h"

#include <fmt/format.h>
#include <limits>
#include <random>
#include <vector>

namespace caa::cuda {
namespace {

constexpr int64_t workspaceBytes = int64_t(64) << 20;
constexpr int candidates = 6, timedRuns = 3;

int dataType(uint32_t dtype) { return dtype == CAA_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

std::string nameOf(const ProductShape &shape) {
  return fmt::format("{}{} {} x {} x {} ({} x {} -> {})", shape.transposeA ? "T" : "N", shape.transposeB ? "T" : "N",
                     shape.m, shape.n, shape.k, nameOfDtype(shape.aType), nameOfDtype(shape.bType),
                     nameOfDtype(shape.cType));
}

Error libraryError(const ProductShape &shape, std::string_view where, int status) {
  return inputError(
      fmt::format("{}: cuBLASLt refuses the product {} (status {})", where, nameOf(shape), status));
}

} // namespace

/// The library's descriptors of one shape, and the algorithm.
struct Products::Choice {
  explicit Choice(const CublasLtTable &api) : api(api) {}
  ~Choice() {
    if (operation)
      api.cublasLtMatmulDescDestroy(operation);
    for (cublasLtMatrixLayout_t layout : {first, second, result})
      if (layout)
        api.cublasLtMatrixLayoutDestroy(layout);
  }

  /// The status of the first call that failed; 0 for none.
  int describe(const ProductShape &s) {
    int status = api.cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    const int32_t firstOp = s.transposeB ? CUBLAS_OP_T : CUBLAS_OP_N, secondOp = s.transposeA ? CUBLAS_OP_T : CUBLAS_OP_N;
    auto set = [&](int attribute, const int32_t &value) {
      if (!status)
        status = api.cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, firstOp);
    set(CUBLASLT_MATMUL_DESC_TRANSB, secondOp);
    auto layout = [&](cublasLtMatrixLayout_t &made, uint32_t type, int64_t rows, int64_t columns, int64_t stride) {
      if (!status)
        status = api.cublasLtMatrixLayoutCreate(&made, dataType(type), uint64_t(rows), uint64_t(columns), stride);
    };
    // A row-major matrix is its transpose in columns.
    s.transposeB ? layout(first, s.bType, s.k, s.n, s.ldb) : layout(first, s.bType, s.n, s.k, s.ldb);
    s.transposeA ? layout(second, s.aType, s.m, s.k, s.lda) : layout(second, s.aType, s.k, s.m, s.lda);
    layout(result, s.cType, s.n, s.m, s.ldc);
    return status;
  }

  /// What the library proposes, best first.
  int propose(cublasLtHandle_t handle, const ProductShape &s, int count,
              std::vector<cublasLtMatmulHeuristicResult_t> &found) const {
    cublasLtMatmulPreference_t preference = nullptr;
    int status = api.cublasLtMatmulPreferenceCreate(&preference);
    if (status)
      return status;
    auto set = [&](int attribute, const auto &value) {
      if (!status)
        status = api.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value);
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(workspaceBytes));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, s.alignB);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, s.alignA);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, s.alignC);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, s.alignC);
    found.resize(size_t(count));
    int number = 0;
    if (!status)
      status = api.cublasLtMatmulAlgoGetHeuristic(handle, operation, first, second, result, result, preference, count,
                                                  found.data(), &number);
    found.resize(size_t(number));
    std::erase_if(found, [](const cublasLtMatmulHeuristicResult_t &one) { return one.state != 0; });
    api.cublasLtMatmulPreferenceDestroy(preference);
    return status;
  }

  const CublasLtTable &api;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  cublasLtMatmulHeuristicResult_t algorithm = {};
};

Products::Products(const Device &device, const CublasLt &library, bool deterministic)
    : device_(device), api_(library.api), deterministic_(deterministic) {}

Products::~Products() {
  choices_.clear();
  if (handle_)
    api_.cublasLtDestroy(handle_);
}

Result<std::unique_ptr<Products>> Products::create(const Device &device, bool deterministic) {
  CAA_TRY(const CublasLt *library, CublasLt::load());
  std::unique_ptr<Products> products(new Products(device, *library, deterministic));
  if (int status = library->api.cublasLtCreate(&products->handle_))
    return inputError(fmt::format("cuBLASLt cannot start on GPU {} (status {})", device.index(), status));
  CAA_TRY(products->workspace_, DeviceMemory::allocate(device, workspaceBytes, "the workspace of matrix products"));
  return products;
}

int Products::call(const Choice &choice, const cublasLtMatmulHeuristicResult_t &algorithm, const DeviceProduct &p,
                   CUstream stream) const {
  auto pointer = [](CUdeviceptr address) { return reinterpret_cast<void *>(address); };
  return api_.cublasLtMatmul(handle_, choice.operation, &p.alpha, pointer(p.b), choice.first, pointer(p.a),
                             choice.second, &p.beta, pointer(p.c), choice.result, pointer(p.d), choice.result,
                             &algorithm.algo, pointer(workspace_.address()), size_t(workspace_.size()), stream);
}

Result<double> Products::time(const Choice &choice, const cublasLtMatmulHeuristicResult_t &algorithm,
                              const DeviceProduct &product, CUstream stream, int runs) const {
  CAA_TRY(auto start, Event::create(device_, true));
  CAA_TRY(auto end, Event::create(device_, true));
  const DriverTable &driver = device_.api();
  constexpr std::string_view what = "measuring a product";
  for (int run = -1; run < runs; ++run) { // the first one is to warm up
    if (run == 0)
      CAA_CHECK(device_.check(what, driver.cuEventRecord(start.handle(), stream)));
    if (int status = call(choice, algorithm, product, stream))
      return libraryError(product.shape, what, status);
  }
  CAA_CHECK(device_.check(what, driver.cuEventRecord(end.handle(), stream)));
  CAA_CHECK(device_.check(what, driver.cuEventSynchronize(end.handle())));
  float milliseconds = 0;
  CAA_CHECK(device_.check(what, driver.cuEventElapsedTime(&milliseconds, start.handle(), end.handle())));
  return double(milliseconds) * 1e-3 / runs;
}

Status Products::prepare(const DeviceProduct &product, CUstream stream, std::string_view where) {
  const ProductShape &shape = product.shape;
  if (shape.m == 0 || shape.n == 0 || choices_.contains(shape))
    return {};
  auto choice = std::make_unique<Choice>(api_);
  std::vector<cublasLtMatmulHeuristicResult_t> found;
  int status = choice->describe(shape);
  if (!status)
    status = choice->propose(handle_, shape, deterministic_ ? 1 : candidates, found);
  if (status || found.empty())
    return libraryError(shape, where, status ? status : CUBLAS_STATUS_NOT_SUPPORTED);
  choice->algorithm = found.front();
  if (found.size() > 1) {
    // Where memory is short, the library's own order has to do.
    auto scratch = DeviceMemory::allocate(device_, shape.m * shape.ldc * byteSizeOf(shape.cType), "measuring");
    double best = std::numeric_limits<double>::max();
    DeviceProduct trial = product;
    if (scratch) {
      trial.d = scratch->address();
      if (product.c == product.d)
        trial.c = trial.d;
      for (const auto &candidate : found)
        if (auto seconds = time(*choice, candidate, trial, stream, timedRuns); seconds && *seconds < best) {
          best = *seconds;
          choice->algorithm = candidate;
        }
    }
  }
  choices_.emplace(shape, std::move(choice));
  return {};
}

Status Products::run(const DeviceProduct &product, CUstream stream, std::string_view where) {
  if (product.shape.m == 0 || product.shape.n == 0)
    return {};
  auto found = choices_.find(product.shape);
  if (found == choices_.end())
    return internalError(fmt::format("{}: the product {} was not prepared", where, nameOf(product.shape)));
  if (int status = call(*found->second, found->second->algorithm, product, stream))
    return libraryError(product.shape, where, status);
  return {};
}

Result<double> Products::measurePeak(CUstream stream) {
  constexpr int64_t size = 8192, bytes = size * size * 2;
  CAA_TRY(auto memory, DeviceMemory::allocate(device_, 3 * bytes, "measuring the peak rate of products"));
  // Noise: on equal numbers the device draws less power and is faster than on any that a model computes.
  std::mt19937 random(1);
  std::vector<uint16_t> noise(size_t(1) << 22); // of magnitude 2^-7 to 2, either sign
  for (uint16_t &value : noise)
    value = uint16_t((random() & 0x8000) | (0x3c00 + random() % 0x400));
  const int64_t part = int64_t(noise.size()) * 2;
  for (int64_t at = 0; at < 2 * bytes; at += part)
    CAA_CHECK(device_.check("filling", device_.api().cuMemcpyHtoDAsync(memory.address() + CUdeviceptr(at), noise.data(),
                                                                       size_t(part), stream)));
  DeviceProduct product{.shape = {.m = size,
                                  .n = size,
                                  .k = size,
                                  .lda = size,
                                  .ldb = size,
                                  .ldc = size,
                                  .aType = CAA_BF16,
                                  .bType = CAA_BF16,
                                  .cType = CAA_BF16,
                                  .transposeB = true},
                        .a = memory.address(),
                        .b = memory.address() + CUdeviceptr(bytes),
                        .c = memory.address() + CUdeviceptr(2 * bytes),
                        .d = memory.address() + CUdeviceptr(2 * bytes)};
  CAA_CHECK(prepare(product, stream, "measuring the peak rate of products"));
  const Choice &choice = *choices_.at(product.shape);
  CAA_TRY(double seconds, time(choice, choice.algorithm, product, stream, 10));
  return 2.0 * double(size) * double(size) * double(size) / seconds;
}

} // namespace caa::cuda
