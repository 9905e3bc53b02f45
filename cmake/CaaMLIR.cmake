# Finds MLIR, LLVM and lld 22 and offers caa_compiler_library(NAME sources...).
# LLVM and MLIR are shared libraries, so linking is quick; lld exists only as static archives.
list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
find_package(MLIR 22.1 REQUIRED CONFIG)
find_package(LLD REQUIRED CONFIG)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
# mlir_tablegen searches the folders that the directory includes.
include_directories(${CMAKE_SOURCE_DIR})
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})

# One static library of the compiler: MLIR's headers as system headers, one precompiled header for all of them.
function(caa_compiler_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS})
  target_link_libraries(${name} PUBLIC MLIR LLVM)
  if(NOT name STREQUAL "caa_pch")
    target_precompile_headers(${name} REUSE_FROM caa_pch)
  endif()
endfunction()

caa_compiler_library(caa_pch ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_precompile_headers(caa_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
