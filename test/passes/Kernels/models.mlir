// The kernels of whole models, small: each against the naive interpreter.
// RUN: caac %models/qwen_dense.mdl --set layers=2 --set dim=64 --set heads=4 --set kv_heads=2 --set vocab=300 --emit caa -o %t.dense
// RUN: caa-opt %t.dense --caa-decompose --canonicalize --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels | caa-kernel-check | FileCheck %s
// RUN: caac %models/qwen_caa.mdl --set layers=2 --set dim=64 --set heads=4 --set vocab=300 --emit caa -o %t.caa
// RUN: caa-opt %t.caa --caa-decompose --canonicalize --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels | caa-kernel-check | FileCheck %s
// RUN: caac %models/mla.mdl --set layers=2 --set dim=64 --set heads=4 --set vocab=300 --emit caa -o %t.mla
// RUN: caa-opt %t.mla --caa-decompose --canonicalize --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels | caa-kernel-check | FileCheck %s
// RUN: caac %models/gpt2.mdl --set layers=2 --set dim=64 --set heads=4 --set vocab=300 --emit caa -o %t.gpt2
// RUN: caa-opt %t.gpt2 --caa-decompose --canonicalize --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels | caa-kernel-check | FileCheck %s
// As a GPU stores them: rounded values as bf16.
// RUN: caa-opt %t.dense --caa-decompose --canonicalize --cse --caa-autodiff --caa-resolve-precision=precision=bf16 --canonicalize --cse --caa-fuse-head-loss --caa-store-rounded --caa-form-kernels | caa-kernel-check | FileCheck %s
// RUN: caa-opt %t.caa --caa-decompose --canonicalize --cse --caa-autodiff --caa-resolve-precision=precision=bf16 --canonicalize --cse --caa-store-rounded --caa-form-kernels | caa-kernel-check | FileCheck %s
// RUN: caa-opt %t.gpt2 --caa-decompose --canonicalize --cse --caa-autodiff --caa-resolve-precision=precision=bf16 --canonicalize --cse --caa-fuse-head-loss --caa-store-rounded --caa-form-kernels | caa-kernel-check | FileCheck %s
// CHECK: {{[1-9][0-9]+}} kernels agree, 0 differ
