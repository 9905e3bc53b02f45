// `caa-run inspect`: what is in a compiled model, read as data; no code of it runs.
#include "runtime/cli/command.h"
#include "runtime/cli/numbers.h"
#include "runtime/train/describe.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace caa {

void addInspectCommand(CLI::App &app, Action &action) {
  struct Options {
    Path so;
    DescribeSizes sizes;
    bool json = false;
    std::string text;
  };
  auto options = std::make_shared<Options>();
  auto *command =
      app.add_subcommand("inspect", "Show a compiled model: parameters, memory, kernels, FLOPs (runs nothing)");
  command->add_option("SO", options->so, "The compiled model")->required();
  command->add_flag("--json", options->json, "As JSON");
  command->add_option("--batch", options->sizes.batch, "Rows for the memory plan")->check(wholeNumber(1));
  command
      ->add_option("--length", options->sizes.length, "Tokens a row for the memory plan (default: the model's context)")
      ->check(wholeNumber(1));
  command->add_option("--text", options->text, "Print one of the texts inside")
      ->check(CLI::IsMember({"source", "settings", "plain-form", "ir", "analysis", "ptx"}));
  command->callback([options, &action] {
    action = [options]() -> Status {
      CAA_TRY(auto image, Image::open(options->so));
      const caa_header &header = image.header();
      if (options->text == "ptx") {
        for (const caa_module &module : image.modules())
          if (module.kind == CAA_MODULE_PTX)
            fmt::print("{}\n", image.text(module.code));
        return {};
      }
      if (!options->text.empty()) {
        caa_text text = options->text == "source"       ? header.source
                        : options->text == "settings"   ? header.settings
                        : options->text == "plain-form" ? header.plain_form
                        : options->text == "ir"         ? header.final_ir
                                                        : header.analysis;
        fmt::print("{}\n", image.text(text));
        return {};
      }
      CAA_TRY(auto description, describe(image, options->sizes));
      fmt::print("{}\n", options->json ? description.dump(2) : describeForPeople(description));
      return {};
    };
  });
}

} // namespace caa
