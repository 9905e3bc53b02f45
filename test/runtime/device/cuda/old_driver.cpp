// A driver from before CUDA 12: it lacks most of what we call.
extern "C" int cuInit(unsigned) { return 0; }
extern "C" int cuDriverGetVersion(int *version) {
  *version = 11040;
  return 0;
}
