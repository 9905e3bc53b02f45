// safetensors_copy IN OUT: reads a file or an index and writes its tensors and metadata again, in order.
#include "runtime/store/safetensors.h"

#include <cstdio>

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  auto file = caa::TensorFile::open(argv[1]);
  if (!file) {
    std::fprintf(stderr, "%s\n", file.error().message.c_str());
    return int(file.error().kind);
  }
  auto status = caa::writeSafetensors(argv[2], file->tensors(), file->metadata());
  if (!status) {
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return int(status.error().kind);
  }
}
