// The dense Qwen3 decoder, two small layers (grouped queries, tied head), as the frontend emits it.
module {
  caa.parameter @"model.embed_tokens.weight" : tensor<64x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.input_layernorm.weight" : tensor<16xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.0.self_attn.q_proj.weight" : tensor<16x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.self_attn.q_norm.weight" : tensor<4xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.0.self_attn.k_proj.weight" : tensor<8x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.self_attn.k_norm.weight" : tensor<4xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.0.self_attn.v_proj.weight" : tensor<8x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.self_attn.o_proj.weight" : tensor<16x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.post_attention_layernorm.weight" : tensor<16xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.0.mlp.gate_proj.weight" : tensor<24x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.mlp.up_proj.weight" : tensor<24x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.0.mlp.down_proj.weight" : tensor<16x24xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.input_layernorm.weight" : tensor<16xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.1.self_attn.q_proj.weight" : tensor<16x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.self_attn.q_norm.weight" : tensor<4xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.1.self_attn.k_proj.weight" : tensor<8x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.self_attn.k_norm.weight" : tensor<4xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.1.self_attn.v_proj.weight" : tensor<8x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.self_attn.o_proj.weight" : tensor<16x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.post_attention_layernorm.weight" : tensor<16xf32> {init = #caa.init<ones>}
  caa.parameter @"model.layers.1.mlp.gate_proj.weight" : tensor<24x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.mlp.up_proj.weight" : tensor<24x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.layers.1.mlp.down_proj.weight" : tensor<16x24xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
  caa.parameter @"model.norm.weight" : tensor<16xf32> {init = #caa.init<ones>}
  func.func @model(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}, %doc: tensor<?x?x1x1xi32> {caa.name = "doc"},
                   %position: tensor<?x?x1x1xi32> {caa.name = "position"}) {
    %1 = caa.param @"model.embed_tokens.weight" : tensor<64x16xf32>
    %2 = caa.round %1 : tensor<64x16xf32>
    %3 = caa.embed %tokens, %2 : (tensor<?x?x1x1xi32>, tensor<64x16xf32>) -> tensor<?x?x1x16xf32>
    %4 = caa.round %3 : tensor<?x?x1x16xf32>
    %5 = caa.rope_table %position : tensor<?x?x1x1xi32> -> tensor<?x?x1x4xf32> {theta = 1.0e+06 : f64}
    // layer 0
    %6 = caa.param @"model.layers.0.input_layernorm.weight" : tensor<16xf32>
    %7 = caa.round %6 : tensor<16xf32>
    %8 = caa.rms_norm %4, %7 : (tensor<?x?x1x16xf32>, tensor<16xf32>) -> tensor<?x?x1x16xf32> {eps = 1.0e-06 : f64}
    %9 = caa.round %8 : tensor<?x?x1x16xf32>
    %10 = caa.param @"model.layers.0.self_attn.q_proj.weight" : tensor<16x16xf32>
    %11 = caa.round %10 : tensor<16x16xf32>
    %12 = caa.linear %9, %11 : (tensor<?x?x1x16xf32>, tensor<16x16xf32>) -> tensor<?x?x4x4xf32>
    %13 = caa.param @"model.layers.0.self_attn.q_norm.weight" : tensor<4xf32>
    %14 = caa.round %13 : tensor<4xf32>
    %15 = caa.rms_norm %12, %14 : (tensor<?x?x4x4xf32>, tensor<4xf32>) -> tensor<?x?x4x4xf32> {eps = 1.0e-06 : f64}
    %16 = caa.round %15 : tensor<?x?x4x4xf32>
    %17 = caa.param @"model.layers.0.self_attn.k_proj.weight" : tensor<8x16xf32>
    %18 = caa.round %17 : tensor<8x16xf32>
    %19 = caa.linear %9, %18 : (tensor<?x?x1x16xf32>, tensor<8x16xf32>) -> tensor<?x?x2x4xf32>
    %20 = caa.param @"model.layers.0.self_attn.k_norm.weight" : tensor<4xf32>
    %21 = caa.round %20 : tensor<4xf32>
    %22 = caa.rms_norm %19, %21 : (tensor<?x?x2x4xf32>, tensor<4xf32>) -> tensor<?x?x2x4xf32> {eps = 1.0e-06 : f64}
    %23 = caa.round %22 : tensor<?x?x2x4xf32>
    %24 = caa.param @"model.layers.0.self_attn.v_proj.weight" : tensor<8x16xf32>
    %25 = caa.round %24 : tensor<8x16xf32>
    %26 = caa.linear %9, %25 : (tensor<?x?x1x16xf32>, tensor<8x16xf32>) -> tensor<?x?x2x4xf32>
    %27 = caa.round %26 : tensor<?x?x2x4xf32>
    %28 = caa.rope %16, %5 : (tensor<?x?x4x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x4x4xf32>
    %29 = caa.round %28 : tensor<?x?x4x4xf32>
    %30 = caa.rope %23, %5 : (tensor<?x?x2x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x2x4xf32>
    %31 = caa.round %30 : tensor<?x?x2x4xf32>
    %32:2 = caa.attend queries(%29) keys(%31, %27) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x4xf32>, tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>) -> (tensor<?x?x4x4xf32>, tensor<?x?x4x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<4xf32>, %kj: vector<4xf32>, %vj: vector<4xf32>):
      %d = caa.dot %qi, %kj : vector<4xf32>
      %c = arith.constant 2.0 : f32
      %s = arith.divf %d, %c : f32
      %m = arith.cmpi sle, %j, %i : i64
      caa.yield %s, %m : f32, i1
    }
    %33 = caa.round %32#0 : tensor<?x?x4x4xf32>
    %34 = caa.param @"model.layers.0.self_attn.o_proj.weight" : tensor<16x16xf32>
    %35 = caa.round %34 : tensor<16x16xf32>
    %36 = caa.linear %33, %35 : (tensor<?x?x4x4xf32>, tensor<16x16xf32>) -> tensor<?x?x1x16xf32>
    %37 = caa.map(%4, %36) : (tensor<?x?x1x16xf32>, tensor<?x?x1x16xf32>) -> tensor<?x?x1x16xf32> {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      caa.yield %r : f32
    }
    %38 = caa.round %37 : tensor<?x?x1x16xf32>
    %39 = caa.param @"model.layers.0.post_attention_layernorm.weight" : tensor<16xf32>
    %40 = caa.round %39 : tensor<16xf32>
    %41 = caa.rms_norm %38, %40 : (tensor<?x?x1x16xf32>, tensor<16xf32>) -> tensor<?x?x1x16xf32> {eps = 1.0e-06 : f64}
    %42 = caa.round %41 : tensor<?x?x1x16xf32>
    %43 = caa.param @"model.layers.0.mlp.gate_proj.weight" : tensor<24x16xf32>
    %44 = caa.round %43 : tensor<24x16xf32>
    %45 = caa.linear %42, %44 : (tensor<?x?x1x16xf32>, tensor<24x16xf32>) -> tensor<?x?x1x24xf32>
    %46 = caa.round %45 : tensor<?x?x1x24xf32>
    %47 = caa.param @"model.layers.0.mlp.up_proj.weight" : tensor<24x16xf32>
    %48 = caa.round %47 : tensor<24x16xf32>
    %49 = caa.linear %42, %48 : (tensor<?x?x1x16xf32>, tensor<24x16xf32>) -> tensor<?x?x1x24xf32>
    %50 = caa.round %49 : tensor<?x?x1x24xf32>
    %51 = caa.map(%46, %50) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
    ^bb0(%g: f32, %u: f32):
      %s = caa.sigmoid %g : f32
      %a = arith.mulf %g, %s : f32
      %r = arith.mulf %a, %u : f32
      caa.yield %r : f32
    }
    %52 = caa.round %51 : tensor<?x?x1x24xf32>
    %53 = caa.param @"model.layers.0.mlp.down_proj.weight" : tensor<16x24xf32>
    %54 = caa.round %53 : tensor<16x24xf32>
    %55 = caa.linear %52, %54 : (tensor<?x?x1x24xf32>, tensor<16x24xf32>) -> tensor<?x?x1x16xf32>
    %56 = caa.round %55 : tensor<?x?x1x16xf32>
    %57 = caa.map(%38, %56) : (tensor<?x?x1x16xf32>, tensor<?x?x1x16xf32>) -> tensor<?x?x1x16xf32> {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      caa.yield %r : f32
    }
    %58 = caa.round %57 : tensor<?x?x1x16xf32>
    // layer 1
    %59 = caa.param @"model.layers.1.input_layernorm.weight" : tensor<16xf32>
    %60 = caa.round %59 : tensor<16xf32>
    %61 = caa.rms_norm %58, %60 : (tensor<?x?x1x16xf32>, tensor<16xf32>) -> tensor<?x?x1x16xf32> {eps = 1.0e-06 : f64}
    %62 = caa.round %61 : tensor<?x?x1x16xf32>
    %63 = caa.param @"model.layers.1.self_attn.q_proj.weight" : tensor<16x16xf32>
    %64 = caa.round %63 : tensor<16x16xf32>
    %65 = caa.linear %62, %64 : (tensor<?x?x1x16xf32>, tensor<16x16xf32>) -> tensor<?x?x4x4xf32>
    %66 = caa.param @"model.layers.1.self_attn.q_norm.weight" : tensor<4xf32>
    %67 = caa.round %66 : tensor<4xf32>
    %68 = caa.rms_norm %65, %67 : (tensor<?x?x4x4xf32>, tensor<4xf32>) -> tensor<?x?x4x4xf32> {eps = 1.0e-06 : f64}
    %69 = caa.round %68 : tensor<?x?x4x4xf32>
    %70 = caa.param @"model.layers.1.self_attn.k_proj.weight" : tensor<8x16xf32>
    %71 = caa.round %70 : tensor<8x16xf32>
    %72 = caa.linear %62, %71 : (tensor<?x?x1x16xf32>, tensor<8x16xf32>) -> tensor<?x?x2x4xf32>
    %73 = caa.param @"model.layers.1.self_attn.k_norm.weight" : tensor<4xf32>
    %74 = caa.round %73 : tensor<4xf32>
    %75 = caa.rms_norm %72, %74 : (tensor<?x?x2x4xf32>, tensor<4xf32>) -> tensor<?x?x2x4xf32> {eps = 1.0e-06 : f64}
    %76 = caa.round %75 : tensor<?x?x2x4xf32>
    %77 = caa.param @"model.layers.1.self_attn.v_proj.weight" : tensor<8x16xf32>
    %78 = caa.round %77 : tensor<8x16xf32>
    %79 = caa.linear %62, %78 : (tensor<?x?x1x16xf32>, tensor<8x16xf32>) -> tensor<?x?x2x4xf32>
    %80 = caa.round %79 : tensor<?x?x2x4xf32>
    %81 = caa.rope %69, %5 : (tensor<?x?x4x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x4x4xf32>
    %82 = caa.round %81 : tensor<?x?x4x4xf32>
    %83 = caa.rope %76, %5 : (tensor<?x?x2x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x2x4xf32>
    %84 = caa.round %83 : tensor<?x?x2x4xf32>
    %85:2 = caa.attend queries(%82) keys(%84, %80) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x4xf32>, tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>) -> (tensor<?x?x4x4xf32>, tensor<?x?x4x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<4xf32>, %kj: vector<4xf32>, %vj: vector<4xf32>):
      %d = caa.dot %qi, %kj : vector<4xf32>
      %c = arith.constant 2.0 : f32
      %s = arith.divf %d, %c : f32
      %m = arith.cmpi sle, %j, %i : i64
      caa.yield %s, %m : f32, i1
    }
    %86 = caa.round %85#0 : tensor<?x?x4x4xf32>
    %87 = caa.param @"model.layers.1.self_attn.o_proj.weight" : tensor<16x16xf32>
    %88 = caa.round %87 : tensor<16x16xf32>
    %89 = caa.linear %86, %88 : (tensor<?x?x4x4xf32>, tensor<16x16xf32>) -> tensor<?x?x1x16xf32>
    %90 = caa.map(%58, %89) : (tensor<?x?x1x16xf32>, tensor<?x?x1x16xf32>) -> tensor<?x?x1x16xf32> {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      caa.yield %r : f32
    }
    %91 = caa.round %90 : tensor<?x?x1x16xf32>
    %92 = caa.param @"model.layers.1.post_attention_layernorm.weight" : tensor<16xf32>
    %93 = caa.round %92 : tensor<16xf32>
    %94 = caa.rms_norm %91, %93 : (tensor<?x?x1x16xf32>, tensor<16xf32>) -> tensor<?x?x1x16xf32> {eps = 1.0e-06 : f64}
    %95 = caa.round %94 : tensor<?x?x1x16xf32>
    %96 = caa.param @"model.layers.1.mlp.gate_proj.weight" : tensor<24x16xf32>
    %97 = caa.round %96 : tensor<24x16xf32>
    %98 = caa.linear %95, %97 : (tensor<?x?x1x16xf32>, tensor<24x16xf32>) -> tensor<?x?x1x24xf32>
    %99 = caa.round %98 : tensor<?x?x1x24xf32>
    %100 = caa.param @"model.layers.1.mlp.up_proj.weight" : tensor<24x16xf32>
    %101 = caa.round %100 : tensor<24x16xf32>
    %102 = caa.linear %95, %101 : (tensor<?x?x1x16xf32>, tensor<24x16xf32>) -> tensor<?x?x1x24xf32>
    %103 = caa.round %102 : tensor<?x?x1x24xf32>
    %104 = caa.map(%99, %103) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
    ^bb0(%g: f32, %u: f32):
      %s = caa.sigmoid %g : f32
      %a = arith.mulf %g, %s : f32
      %r = arith.mulf %a, %u : f32
      caa.yield %r : f32
    }
    %105 = caa.round %104 : tensor<?x?x1x24xf32>
    %106 = caa.param @"model.layers.1.mlp.down_proj.weight" : tensor<16x24xf32>
    %107 = caa.round %106 : tensor<16x24xf32>
    %108 = caa.linear %105, %107 : (tensor<?x?x1x24xf32>, tensor<16x24xf32>) -> tensor<?x?x1x16xf32>
    %109 = caa.round %108 : tensor<?x?x1x16xf32>
    %110 = caa.map(%91, %109) : (tensor<?x?x1x16xf32>, tensor<?x?x1x16xf32>) -> tensor<?x?x1x16xf32> {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      caa.yield %r : f32
    }
    %111 = caa.round %110 : tensor<?x?x1x16xf32>
    // head
    %112 = caa.param @"model.norm.weight" : tensor<16xf32>
    %113 = caa.round %112 : tensor<16xf32>
    %114 = caa.rms_norm %111, %113 : (tensor<?x?x1x16xf32>, tensor<16xf32>) -> tensor<?x?x1x16xf32> {eps = 1.0e-06 : f64}
    %115 = caa.round %114 : tensor<?x?x1x16xf32>
    %116 = caa.param @"model.embed_tokens.weight" : tensor<64x16xf32>
    %117 = caa.round %116 : tensor<64x16xf32>
    %118 = caa.linear %115, %117 : (tensor<?x?x1x16xf32>, tensor<64x16xf32>) -> tensor<?x?x1x64xf32>
    caa.logits %118 : tensor<?x?x1x64xf32>
    %119 = caa.cross_entropy %118, %tokens : (tensor<?x?x1x64xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32>
    %120 = caa.has_next %tokens : tensor<?x?x1x1xi32> -> tensor<?x?x1x1xi1>
    caa.loss %119 over %120 : tensor<?x?x1x1xi1> : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
    return
  }
}
