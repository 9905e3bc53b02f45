// The plain form, read back with another JSON library and compared with the module it was written from.
#include "codegen/PlainForm/PlainForm.h"
#include "dialect/Caa/CaaDialect.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <nlohmann/json.hpp>

namespace caa {
namespace {

using nlohmann::json;

const char *const text = R"mlir(
caa.parameter @"a.weight" : tensor<6x4xf32> {init = #caa.init<normal, 0.0 : f64, 0.02 : f64>, decay}
caa.parameter @norm : tensor<4xf32> {init = #caa.init<ones>}
func.func @model(%x: tensor<?x?x1x4xf32> {caa.name = "x"}) {
  %w = caa.param @"a.weight" : tensor<6x4xf32> loc("m.mdl":3:5)
  %y = caa.linear %x, %w : (tensor<?x?x1x4xf32>, tensor<6x4xf32>) -> tensor<?x?x2x3xf32> loc(callsite("y"("m.mdl":4:9) at "m.mdl":9:1))
  %c = caa.constant dense<[[1.5], [-3.0]]> : tensor<2x1xf64>
  %b = caa.constant dense<[[true, false]]> : tensor<1x2xi1>
  %m = caa.map(%y, %c) : (tensor<?x?x2x3xf32>, tensor<2x1xf64>) -> tensor<?x?x2x3xf32> {
  ^bb0(%p: f32, %q: f64):
    %inf = arith.constant 0xFF800000 : f32
    %tenth = arith.constant 0.1 : f64
    %less = arith.cmpf olt, %q, %tenth : f64
    %r = arith.select %less, %inf, %p : f32
    caa.yield %r : f32
  }
  %o, %lse = caa.attend queries(%m) keys(%m, %m) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x2x3xf32>, tensor<?x?x2x3xf32>, tensor<?x?x2x3xf32>) -> (tensor<?x?x2x3xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<3xf32>, %kj: vector<3xf32>, %vj: vector<3xf32>):
    %d = caa.dot %qi, %kj : vector<3xf32>
    %in = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %in : f32, i1
  }
  %l = caa.slice %lse : tensor<?x?x2x1xf32> -> tensor<?x?x2x1xf32> {start = 0 : i64}
  caa.loss %l : tensor<?x?x2x1xf32> {name = "loss", index = 0 : i64}
  return
}
func.func @export.f(%x: tensor<?x?x1x4xf32> {caa.name = "x"}) -> (tensor<?x?x1x4xf32> {caa.name = "out"}) attributes {caa.export = "f"} {
  return %x : tensor<?x?x1x4xf32>
}
)mlir";

class PlainForm : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<CaaDialect>();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    form = json::parse(plainForm(*module));
    ops = form["functions"][0]["ops"];
  }
  mlir::MLIRContext context;
  json form, ops;
};

TEST_F(PlainForm, ListsParametersWithTheirShapeAndStart) {
  EXPECT_EQ(form["version"], 1);
  EXPECT_EQ(form["parameters"], json::parse(R"([
    {"name": "a.weight", "shape": [6, 4], "init": ["normal", 0.0, 0.02]}, {"name": "norm", "shape": [4], "init": ["ones"]}])"));
}

TEST_F(PlainForm, NamesFunctionsInputsAndResults) {
  EXPECT_EQ(form["functions"][0]["name"], "model");
  EXPECT_EQ(form["functions"][0]["export"], false);
  EXPECT_EQ(form["functions"][0]["inputs"], json::parse(R"([{"id": 0, "name": "x", "type": {"shape": [-1, -1, 1, 4], "elt": "f32"}}])"));
  EXPECT_EQ(form["functions"][1]["name"], "f");
  EXPECT_EQ(form["functions"][1]["export"], true);
  EXPECT_EQ(form["functions"][1]["results"], json::parse(R"([{"id": 0, "name": "out"}])"));
}

TEST_F(PlainForm, WritesOpsInOrderWithAbsentOperandsAsMinusOne) {
  EXPECT_EQ(ops[0], json::parse(R"({"op": "caa.param", "in": [], "out": [1], "types": [{"shape": [6, 4], "elt": "f32"}],
                                    "attrs": {"name": "a.weight"}, "loc": "m.mdl:3:5"})"));
  EXPECT_EQ(ops[1]["in"], json::parse("[0, 1, -1]"));
  EXPECT_EQ(ops[1]["loc"], "m.mdl:4:9");
  json loss = ops.back();
  EXPECT_EQ(loss["op"], "caa.loss");
  EXPECT_EQ(loss["in"].back(), -1);
  EXPECT_EQ(loss["attrs"], json::parse(R"({"name": "loss", "index": 0})"));
}

TEST_F(PlainForm, WritesConstantsAsRowsAndNumbersThatJsonLacksAsWords) {
  EXPECT_EQ(ops[2]["attrs"]["value"], json::parse("[[1.5], [-3.0]]"));
  EXPECT_EQ(ops[3]["attrs"]["value"], json::parse("[[true, false]]"));
  json body = ops[4]["body"];
  EXPECT_EQ(body["arg_types"], json::parse(R"(["f32", "f64"])"));
  EXPECT_EQ(body["ops"][0]["attrs"]["value"], "-inf");
  EXPECT_EQ(body["ops"][1]["attrs"]["value"].get<double>(), 0.1);
  EXPECT_EQ(body["ops"][2]["attrs"]["predicate"], "olt");
  EXPECT_EQ(body["ops"][3]["op"], "arith.select");
  EXPECT_EQ(body["yield"], body["ops"][3]["out"]);
}

TEST_F(PlainForm, DescribesAttends) {
  json attend = ops[5];
  EXPECT_EQ(attend["attrs"], json::parse(R"({"segments": [1, 2, 0],
      "reductions": [{"kind": "softmax", "axis": "keys", "value": 1, "count": -1}]})"));
  EXPECT_EQ(attend["body"]["arg_types"], json::parse(R"(["i64", "i64", "vector<3xf32>", "vector<3xf32>", "vector<3xf32>"])"));
  EXPECT_EQ(attend["body"]["ops"][1]["attrs"]["predicate"], "sle");
  EXPECT_EQ(attend["out"].size(), 2u);
}

} // namespace
} // namespace caa
