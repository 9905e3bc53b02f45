// caac: compiles a model (.mdl) to a shared object that caa-run trains.
#include "codegen/Driver/Driver.h"

int main(int argc, char **argv) { return caa::runCaac(argc, argv); }
