"""Prints a module of COUNT equal decoder layers (norm, attention, SwiGLU) as a function of tensors, for layers.mlir."""
import sys

count = int(sys.argv[1])
shapes = {"n1": "16", "q": "16x16", "k": "8x16", "v": "8x16", "o": "16x16", "n2": "16", "gate": "24x16", "up": "24x16", "down": "16x24"}
X, Q, K, F = ("tensor<?x?x%sxf32>" % s for s in ("1x16", "4x4", "2x4", "1x24"))
for layer in range(count):
    for name, shape in shapes.items():
        print(f"caa.parameter @l{layer}.{name} : tensor<{shape}xf32> {{init = #caa.init<ones>}}")
print(f"func.func @stack(%x0: {X} {{caa.name = \"x\"}}) -> ({X} {{caa.name = \"out\"}}) attributes {{caa.export}} {{")
for n in range(count):
    for name, shape in shapes.items():
        print(f"  %{name}_{n} = caa.param @l{n}.{name} : tensor<{shape}xf32>")

    def linear(out, source, weight, a, b):
        print(f"  %{out}{n} = caa.linear %{source}, %{weight}_{n} : ({a}, tensor<{shapes[weight]}xf32>) -> {b}")

    def norm(out, source, weight):
        print(f"  %{out}{n} = caa.rms_norm %{source}, %{weight}_{n} : ({X}, tensor<16xf32>) -> {X} {{eps = 1.0e-6 : f64}}")

    def add(out, a, b):
        print(f"  %{out} = caa.map(%{a}, %{b}) : ({X}, {X}) -> {X} {{\n  ^bb0(%a: f32, %b: f32):\n"
              f"    %c = arith.addf %a, %b : f32\n    caa.yield %c : f32\n  }}")

    norm("h", f"x{n}", "n1")
    linear("q", f"h{n}", "q", X, Q)
    linear("k", f"h{n}", "k", X, K)
    linear("v", f"h{n}", "v", X, K)
    print(f"""  %o{n}, %lse{n} = caa.attend queries(%q{n}) keys(%k{n}, %v{n}) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
    : ({Q}, {K}, {K}) -> ({Q}, tensor<?x?x4x1xf32>) {{
  ^bb0(%i: i64, %j: i64, %qi: vector<4xf32>, %kj: vector<4xf32>, %vj: vector<4xf32>):
    %s = caa.dot %qi, %kj : vector<4xf32>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }}""")
    linear("a", f"o{n}", "o", Q, X)
    add(f"y{n}", f"x{n}", f"a{n}")
    norm("g", f"y{n}", "n2")
    linear("s", f"g{n}", "gate", X, F)
    linear("u", f"g{n}", "up", X, F)
    print(f"  %m{n} = caa.map(%s{n}, %u{n}) : ({F}, {F}) -> {F} {{\n  ^bb0(%a: f32, %b: f32):\n    %c = caa.sigmoid %a : f32\n"
          f"    %d = arith.mulf %a, %c : f32\n    %e = arith.mulf %d, %b : f32\n    caa.yield %e : f32\n  }}")
    linear("d", f"m{n}", "down", F, X)
    add(f"x{n + 1}", f"y{n}", f"d{n}")
print(f"  return %x{count} : {X}\n}}")
