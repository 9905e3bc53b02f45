// libcuda's functions, as far as the runtime calls them (runtime/device/cuda/cuda_api.h).
#include "runtime/device/cuda/cuda_api.h"
#include "test/ptx/TensorMap.h"
#include "test/runtime/device/cuda/fake_cuda.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

using namespace caa::cuda;

namespace caa::test {
namespace {

constexpr int CUDA_ERROR_INVALID_VALUE = 1; // what the runtime never asks for

using Work = std::function<int()>;

struct FakeStream {
  std::deque<Work> queued;
  uint64_t done = 0, known = 0; // numbers of work finished and queued
  bool isCapturing = false;
  std::vector<Work> captured;
  int runUntil(uint64_t number);
};
struct FakeEvent {
  FakeStream *stream = nullptr;
  uint64_t number = 0;
};
struct FakeFunction {
  std::string name;
  std::vector<size_t> parameters; // bytes of each
  int sharedBytes = 0;
  FakeKernel kernel;
};
struct FakeModule {
  std::string text;
  std::map<std::string, std::unique_ptr<FakeFunction>> functions;
};
using FakeGraph = std::vector<Work>;

std::set<const void *> pinned;

int FakeStream::runUntil(uint64_t number) {
  while (done < number && !queued.empty()) {
    Work work = std::move(queued.front());
    queued.pop_front();
    ++done;
    if (fakeCuda().broken)
      continue;
    if (int code = work())
      fakeCuda().broken = code;
  }
  return fakeCuda().broken;
}

template <typename To, typename From> To *as(From from) { return reinterpret_cast<To *>(from); }

/// The parameters' sizes of `.entry NAME(...)`; false if the text has none of that name.
bool readSignature(const std::string &text, const std::string &name, std::vector<size_t> &sizes) {
  size_t at = text.find(".entry " + name + "(");
  if (at == std::string::npos)
    return false;
  std::istringstream list(text.substr(text.find('(', at) + 1, text.find(')', at) - text.find('(', at) - 1));
  for (std::string one; std::getline(list, one, ',');) {
    if (one.find(".u64") != std::string::npos)
      sizes.push_back(8);
    else if (one.find(".u32") != std::string::npos)
      sizes.push_back(4);
    else
      sizes.push_back(size_t(std::atoi(one.substr(one.find('[') + 1).c_str())));
  }
  return true;
}

} // namespace

FakeCuda &fakeCuda() {
  static FakeCuda fake = [] {
    FakeCuda made;
    std::istringstream words(std::getenv("CAA_FAKE_CUDA") ? std::getenv("CAA_FAKE_CUDA") : "");
    for (std::string word; words >> word;) {
      std::string key = word.substr(0, word.find('=')), value = word.substr(word.find('=') + 1);
      int64_t number = std::atoll(value.c_str());
      if (key == "capability")
        made.capability = int(number);
      else if (key == "version")
        made.version = int(number);
      else if (key == "devices")
        made.devices = int(number);
      else if (key == "multiprocessors")
        made.multiprocessors = int(number);
      else if (key == "threads")
        made.threads = int(number);
      else if (key == "memory")
        made.memory = number;
      else if (key == "others")
        made.others = number;
      else if (key == "fault") {
        made.fault = value.substr(0, value.find('@'));
        made.runsToFault = value.find('@') == std::string::npos ? 0 : std::atoi(value.c_str() + value.find('@') + 1);
      } else if (key == "log")
        made.log = value;
      else if (key == "fail")
        made.fail[value.substr(0, value.find(':'))] = std::atoi(value.c_str() + value.find(':') + 1);
    }
    return made;
  }();
  return fake;
}

int FakeCuda::call(const std::string &function, const std::string &arguments) {
  if (!log.empty())
    std::ofstream(log, std::ios::app) << function << (arguments.empty() ? "" : " ") << arguments << "\n";
  auto found = fail.find(function);
  return found == fail.end() ? 0 : found->second;
}

void enqueueWork(void *handle, Work work) {
  auto *stream = as<FakeStream>(handle);
  if (!stream) {
    work();
  } else if (stream->isCapturing) {
    stream->captured.push_back(std::move(work));
  } else {
    stream->queued.push_back(std::move(work));
    ++stream->known;
  }
}

} // namespace caa::test

using namespace caa::test;

#define CALL(...)                                                                                                      \
  if (int code = fakeCuda().call(__func__ __VA_OPT__(, ) __VA_ARGS__))                                                 \
  return code

extern "C" {

int cuInit(unsigned) {
  CALL();
  return fakeCuda().devices > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}
int cuDriverGetVersion(int *version) {
  *version = fakeCuda().version;
  return 0;
}
int cuGetErrorName(int code, const char **text) {
  static std::string name;
  name = "CUDA_ERROR_" + std::to_string(code);
  *text = name.c_str();
  return 0;
}
int cuGetErrorString(int code, const char **text) {
  const std::string &said = fakeCuda().said;
  *text = code != CUDA_ERROR_ILLEGAL_ADDRESS ? "something is wrong"
          : said.empty()                     ? "an illegal memory access was encountered"
                                             : said.c_str();
  return 0;
}
int cuDeviceGetCount(int *count) {
  *count = fakeCuda().devices;
  return 0;
}
int cuDeviceGet(CUdevice *device, int index) {
  *device = index;
  return 0;
}
int cuDeviceGetName(char *name, int size, CUdevice) {
  std::snprintf(name, size_t(size), "Fake GPU");
  return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
  const FakeCuda &fake = fakeCuda();
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR   ? fake.capability / 10
           : attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? fake.capability % 10
           : attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT     ? fake.multiprocessors
           : fake.capability >= 90                                     ? 227 << 10
                                                                       : 163 << 10;
  return 0;
}
int cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
  CALL();
  *context = as<Context_>(uintptr_t(64));
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(CUdevice) { return 0; }
int cuCtxSetCurrent(CUcontext) { return 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  const FakeCuda &fake = fakeCuda();
  *free = size_t(fake.memory - fake.others - fake.allocated);
  *total = size_t(fake.memory);
  return 0;
}
int cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
  CALL(std::to_string(size));
  FakeCuda &fake = fakeCuda();
  if (fake.allocated + fake.others + int64_t(size) > fake.memory)
    return CUDA_ERROR_OUT_OF_MEMORY;
  // The size lies before the block; what is not written is NaN.
  auto *block = static_cast<uint64_t *>(std::aligned_alloc(256, (size + 511) / 256 * 256));
  if (!block)
    return CUDA_ERROR_OUT_OF_MEMORY;
  block[0] = size;
  std::memset(block + 32, 0xff, size);
  fake.allocated += int64_t(size);
  *address = CUdeviceptr(block + 32);
  memoryWatch().made(*address, size);
  return 0;
}
int cuMemFree_v2(CUdeviceptr address) {
  auto *block = as<uint64_t>(address) - 32;
  fakeCuda().allocated -= int64_t(block[0]);
  memoryWatch().gone(address);
  std::free(block);
  return 0;
}
int cuMemAllocHost_v2(void **data, size_t size) {
  CALL();
  *data = std::malloc(size);
  pinned.insert(*data);
  return 0;
}
int cuMemFreeHost(void *data) {
  pinned.erase(data);
  std::free(data);
  return 0;
}
int cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
  CALL(std::to_string(size));
  if (pinned.contains(from)) { // read when its turn comes
    enqueueWork(stream, [=] {
      std::memcpy(as<void>(to), from, size);
      return memoryWatch().written(to, size), 0;
    });
  } else { // as the driver does, copied aside at once
    auto aside = std::make_shared<std::vector<char>>(static_cast<const char *>(from),
                                                     static_cast<const char *>(from) + size);
    enqueueWork(stream, [=] {
      std::memcpy(as<void>(to), aside->data(), size);
      return memoryWatch().written(to, size), 0;
    });
  }
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
  CALL(std::to_string(size));
  enqueueWork(stream, [=] { return std::memcpy(to, as<void>(from), size), 0; });
  return 0;
}
int cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  CALL(std::to_string(size));
  enqueueWork(stream, [=] {
    std::memmove(as<void>(to), as<void>(from), size);
    return memoryWatch().copied(to, from, size), 0;
  });
  return 0;
}
int cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream stream) {
  CALL(std::to_string(int(value)) + " " + std::to_string(size));
  enqueueWork(stream, [=] {
    std::memset(as<void>(to), value, size);
    value == 255 ? memoryWatch().poisoned(to, size) : memoryWatch().written(to, size);
    return 0;
  });
  return 0;
}
int cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, int *options, void **values) {
  std::string text(static_cast<const char *>(image));
  if (text.starts_with("\x7f" "ELF"))
    return CUDA_ERROR_NO_BINARY_FOR_GPU; // its machine code is of another device
  for (unsigned i = 0; i < count; ++i)
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER && fakeCuda().fail.contains("cuModuleLoadDataEx"))
      std::strcpy(static_cast<char *>(values[i]), "ptxas fake, line 7; error : no such instruction\n");
  CALL(std::to_string(text.size()));
  *module = as<Module_>(new FakeModule{std::move(text), {}});
  return 0;
}
int cuModuleUnload(CUmodule module) {
  delete as<FakeModule>(module);
  return 0;
}
int cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  CALL(name);
  auto made = std::make_unique<FakeFunction>();
  made->name = name;
  if (!readSignature(as<FakeModule>(module)->text, name, made->parameters))
    return CUDA_ERROR_NOT_FOUND;
  made->kernel = fakeKernel(as<FakeModule>(module)->text, name);
  *function = as<Function_>(made.get());
  as<FakeModule>(module)->functions[name] = std::move(made);
  return 0;
}
int cuFuncGetAttribute(int *value, int attribute, CUfunction) {
  *value = attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : attribute == CU_FUNC_ATTRIBUTE_NUM_REGS ? 32 : 0;
  return 0;
}
int cuFuncSetAttribute(CUfunction function, int, int value) {
  as<FakeFunction>(function)->sharedBytes = value;
  return 0;
}
int cuLaunchKernel(CUfunction handle, unsigned x, unsigned, unsigned, unsigned threads, unsigned, unsigned,
                   unsigned shared, CUstream stream, void **values, void **) {
  const auto &function = *as<FakeFunction>(handle);
  CALL(function.name + " grid=" + std::to_string(x) + " threads=" + std::to_string(threads) +
       " shared=" + std::to_string(shared));
  if (shared > unsigned(function.sharedBytes) || x == 0)
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  FakeLaunch launch{{}, x, threads, shared};
  for (size_t i = 0; i < function.parameters.size(); ++i) {
    const auto *bytes = static_cast<const uint8_t *>(values[i]);
    launch.parameters.emplace_back(bytes, bytes + function.parameters[i]);
  }
  const bool mayFault = function.name == fakeCuda().fault;
  enqueueWork(stream, [launch, mayFault, kernel = function.kernel] {
    const bool faults = !kernel || (mayFault && --fakeCuda().runsToFault <= 0);
    return faults ? int(CUDA_ERROR_ILLEGAL_ADDRESS) : kernel(launch);
  });
  return 0;
}
int cuTensorMapEncodeTiled(CUtensorMap *map, int type, uint32_t rank, void *address, const uint64_t *sizes,
                           const uint64_t *strides, const uint32_t *box, const uint32_t *steps, int, int swizzle, int,
                           int) {
  std::ostringstream text;
  text << "type=" << type << " sizes=";
  for (uint32_t i = 0; i < rank; ++i)
    text << (i ? "," : "") << sizes[i];
  text << " strides=";
  for (uint32_t i = 0; i + 1 < rank; ++i)
    text << (i ? "," : "") << strides[i];
  text << " box=";
  for (uint32_t i = 0; i < rank; ++i)
    text << (i ? "," : "") << box[i] << (steps[i] == 1 ? "" : "!");
  text << " swizzle=" << swizzle;
  CALL(text.str());
  caa::ptx::TensorMap made;
  made.address = uint64_t(address);
  made.elementBytes = type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 ? 2 : 4;
  made.rank = rank;
  made.swizzle = swizzle == CU_TENSOR_MAP_SWIZZLE_NONE ? 0 : 16u << swizzle;
  bool isGood = rank >= 1 && rank <= 5 && made.address % 16 == 0 && box[0] * made.elementBytes % 16 == 0 &&
                (!made.swizzle || box[0] * made.elementBytes <= made.swizzle);
  for (uint32_t i = 0; i < rank && isGood; ++i) {
    made.sizes[i] = sizes[i];
    made.box[i] = box[i];
    isGood &= sizes[i] >= 1 && box[i] >= 1 && box[i] <= 256 && steps[i] == 1;
    if (i + 1 < rank) {
      made.strides[i] = strides[i];
      isGood &= strides[i] % 16 == 0;
    }
  }
  if (!isGood)
    return CUDA_ERROR_INVALID_VALUE;
  static_assert(sizeof made <= sizeof *map);
  std::memcpy(map, &made, sizeof made);
  return 0;
}
int cuStreamCreate(CUstream *stream, unsigned) {
  *stream = as<Stream_>(new FakeStream);
  return 0;
}
int cuStreamDestroy_v2(CUstream stream) {
  delete as<FakeStream>(stream);
  return 0;
}
int cuStreamSynchronize(CUstream stream) {
  CALL();
  auto *fake = as<FakeStream>(stream);
  return fake ? fake->runUntil(fake->known) : 0;
}
int cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  CALL();
  FakeEvent seen = *as<FakeEvent>(event);
  enqueueWork(stream, [=] { return seen.stream ? seen.stream->runUntil(seen.number) : 0; });
  return 0;
}
int cuStreamBeginCapture_v2(CUstream stream, int) {
  CALL();
  as<FakeStream>(stream)->isCapturing = true;
  return 0;
}
int cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  CALL();
  auto *fake = as<FakeStream>(stream);
  *graph = as<Graph_>(new FakeGraph(std::move(fake->captured)));
  fake->captured.clear();
  fake->isCapturing = false;
  return 0;
}
int cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  CALL();
  *executable = as<GraphExec_>(new FakeGraph(*as<FakeGraph>(graph)));
  return 0;
}
int cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  CALL(std::to_string(as<FakeGraph>(executable)->size()));
  for (const Work &work : *as<FakeGraph>(executable))
    enqueueWork(stream, work);
  return 0;
}
int cuGraphExecDestroy(CUgraphExec executable) {
  delete as<FakeGraph>(executable);
  return 0;
}
int cuGraphDestroy(CUgraph graph) {
  delete as<FakeGraph>(graph);
  return 0;
}
int cuEventCreate(CUevent *event, unsigned) {
  *event = as<Event_>(new FakeEvent);
  return 0;
}
int cuEventDestroy_v2(CUevent event) {
  delete as<FakeEvent>(event);
  return 0;
}
int cuEventRecord(CUevent event, CUstream stream) {
  auto *fake = as<FakeStream>(stream);
  *as<FakeEvent>(event) = {fake, fake ? fake->known : 0};
  return 0;
}
int cuEventSynchronize(CUevent event) {
  auto &fake = *as<FakeEvent>(event);
  return fake.stream ? fake.stream->runUntil(fake.number) : 0;
}
int cuEventElapsedTime(float *milliseconds, CUevent, CUevent) {
  *milliseconds = 1;
  return 0;
}

} // extern "C"
