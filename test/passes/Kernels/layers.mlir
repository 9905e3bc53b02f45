// 32 equal layers have the code of one: no more kernels than three layers have (the first and the last meet other neighbours).
// RUN: %python %S/layers.py 32 | caa-opt --caa-decompose --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels -o %t.32
// RUN: %python %S/layers.py 3 | caa-opt --caa-decompose --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels -o %t.3
// RUN: grep -c "attributes {caa.kernel}" %t.32 > %t.count.32
// RUN: grep -c "attributes {caa.kernel}" %t.3 > %t.count.3
// RUN: diff %t.count.32 %t.count.3
// RUN: FileCheck %s < %t.32
// RUN: FileCheck %s --check-prefix=ALL < %t.32

// One attention forward, one backward; all of their launches name these.
// CHECK: func.func private @attend_0
// CHECK: func.func private @attend_1
// CHECK: func.func private @attend_2
// CHECK-NOT: func.func private @attend_3
// ALL-LABEL: func.func @stack.forward
// ALL-COUNT-32: caa.launch @attend_0
// ALL-NOT: caa.launch @attend
// ALL-LABEL: func.func @stack.gradient
// ALL-COUNT-32: caa.launch @attend_1
// ALL-COUNT-32: caa.launch @attend_2
// ALL-NOT: caa.launch @attend
// ALL: return
