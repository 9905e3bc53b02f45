// Nothing in a .so is trusted: each record is checked once, here, so that no other code needs to.
#include "runtime/engine/image_check.h"

#include "runtime/engine/sizes.h"

#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

namespace caa {
namespace {

template <typename... Arguments> Error bad(fmt::format_string<Arguments...> format, Arguments &&...arguments) {
  return inputError("its tables are damaged: " + fmt::format(format, std::forward<Arguments>(arguments)...));
}

constexpr int64_t mostExtent = int64_t(1) << 32;    // of an axis of a tensor map
constexpr uint32_t mostShared = 227 * 1024;         // bytes of a block's shared memory
constexpr uint32_t mostCounters = uint32_t(1) << 24;

bool fits(uint64_t first, uint64_t count, uint64_t total) { return first <= total && count <= total - first; }

struct TableField {
  const char *name;
  caa_table caa_header::*table;
  size_t size;
};
constexpr TableField tableFields[] = {
    {"terms", &caa_header::terms, sizeof(caa_term)},
    {"parameters", &caa_header::parameters, sizeof(caa_parameter)},
    {"buffers", &caa_header::buffers, sizeof(caa_buffer)},
    {"kernels", &caa_header::kernels, sizeof(caa_kernel)},
    {"operands", &caa_header::operands, sizeof(caa_operand)},
    {"commands", &caa_header::commands, sizeof(caa_command)},
    {"entries", &caa_header::entries, sizeof(caa_entry)},
    {"values", &caa_header::values, sizeof(caa_value)},
    {"losses", &caa_header::losses, sizeof(caa_loss)},
    {"reports", &caa_header::reports, sizeof(caa_report)},
    {"modules", &caa_header::modules, sizeof(caa_module)},
    {"tensor_maps", &caa_header::tensor_maps, sizeof(caa_tensor_map)},
};

/// The checks of one image; every function stops at the first fault.
class Checker {
public:
  Checker(const Image &image, const ElfFile &file) : image_(image), header_(image.header()), file_(file) {}

  Status run() {
    CAA_CHECK(texts());
    CAA_CHECK(targets());
    CAA_CHECK(terms());
    CAA_CHECK(parameters());
    CAA_CHECK(values());
    CAA_CHECK(tensorMaps());
    CAA_CHECK(kernels());
    CAA_CHECK(lossesAndReports());
    CAA_CHECK(modules());
    CAA_CHECK(buffers());
    return entries();
  }

private:
  Status text(caa_text text, std::string_view what) const {
    auto bytes = image_.bytes();
    if (!fits(text.offset, text.size, bytes.size()) || text.offset + text.size >= bytes.size() ||
        bytes[text.offset + text.size] != std::byte(0))
      return bad("the {} lies outside of the image", what);
    return {};
  }
  Status size(caa_size size, std::string_view what) const {
    if (!fits(size.first, size.count, header_.terms.count))
      return bad("the size of {} names terms that there are none", what);
    return {};
  }

  Status texts() const {
    for (auto [value, name] : {std::pair{header_.compiler, "compiler's version"},
                               {header_.model_name, "model's name"},
                               {header_.source, "source"},
                               {header_.settings, "settings"},
                               {header_.plain_form, "plain form"},
                               {header_.final_ir, "final IR"},
                               {header_.analysis, "analysis"}})
      CAA_CHECK(text(value, name));
    return {};
  }

  /// Whether `target` is one of those that the header promises.
  bool isTarget(uint32_t target) const { return std::has_single_bit(target) && (header_.targets & target) != 0; }

  Status targets() const {
    if (header_.targets & ~uint32_t(CAA_TARGET_CPU | CAA_TARGET_SM80 | CAA_TARGET_SM90A))
      return bad("it is for a target that this program does not know");
    return {};
  }

  Status terms() const {
    for (const caa_term &term : image_.terms())
      if (term.length_divisor < 1 || term.divisor < 1 || term.batch_power > 8 || term.length_power > 8 ||
          term.rows_power > 8)
        return bad("term {} has no meaning", &term - image_.terms().data());
    return {};
  }

  Status parameters() const {
    uint64_t end = 0;
    std::set<std::string_view> names;
    std::map<std::string_view, uint32_t> groups{{"", 0}};
    for (const caa_parameter &parameter : image_.parameters()) {
      CAA_CHECK(text(parameter.name, "name of a parameter"));
      CAA_CHECK(text(parameter.group, "group of a parameter"));
      auto name = image_.text(parameter.name);
      if (name.empty() || !names.insert(name).second)
        return bad("two parameters are called `{}`", name);
      if (parameter.rank < 1 || parameter.rank > 4)
        return bad("parameter `{}` has {} axes", name, parameter.rank);
      std::optional<int64_t> elements = 1;
      for (uint32_t axis = 0; axis < parameter.rank && elements; ++axis)
        elements = parameter.shape[axis] > 0 ? checkedMultiply(*elements, parameter.shape[axis]) : std::nullopt;
      if (!elements || uint64_t(*elements) != parameter.elements || parameter.elements > (uint64_t(1) << 56))
        return bad("the shape of parameter `{}` does not fit its number of elements", name);
      // Masters lie one after the other, so that none overlaps another.
      if (parameter.offset % 16 != 0 || parameter.offset < end || parameter.offset > (uint64_t(1) << 56))
        return bad("parameter `{}` lies where another one does", name);
      end = parameter.offset + parameter.elements;
      if (parameter.init > CAA_INIT_UNIFORM || !std::isfinite(parameter.init_a) || !std::isfinite(parameter.init_b))
        return bad("the initialisation of parameter `{}` has no meaning", name);
      if (!(parameter.low <= parameter.high) || parameter.decay > 1)
        return bad("the bounds of parameter `{}` have no meaning", name);
      auto group = groups.try_emplace(image_.text(parameter.group), uint32_t(groups.size())).first;
      if (parameter.group_number != group->second)
        return bad("the group of parameter `{}` has number {}, not {}", name, parameter.group_number, group->second);
    }
    return {};
  }

  Status values() const {
    for (const caa_value &value : image_.values()) {
      CAA_CHECK(text(value.name, "name of a value"));
      auto width = checkedMultiply(value.heads, value.width);
      if (value.heads < 1 || value.width < 1 || !width || value.dtype > CAA_BF16 || value.direction > CAA_OUTPUT ||
          value.per_token > 1)
        return bad("value `{}` has no meaning", image_.text(value.name));
    }
    return {};
  }

  Status tensorMaps() const {
    for (const caa_tensor_map &map : image_.tensorMaps()) {
      // What cuTensorMapEncodeTiled asks for: whole 16 bytes everywhere, and a row of a box within its swizzle.
      const bool known = map.dtype == CAA_F32 || map.dtype == CAA_BF16;
      const uint32_t bytes = map.dtype == CAA_BF16 ? 2 : 4, boxBytes = map.box_width * bytes;
      const bool swizzles = map.swizzle == 0 || map.swizzle == 32 || map.swizzle == 64 || map.swizzle == 128;
      if (!known || !swizzles || map.heads < 1 || map.heads >= mostExtent || map.width < 1 || map.width >= mostExtent ||
          map.width * bytes % 16 != 0 || map.box_width < 1 || map.box_width > 256 || map.box_rows < 1 ||
          map.box_rows > 256 || boxBytes % 16 != 0 || (map.swizzle != 0 && boxBytes > map.swizzle))
        return bad("tensor map {} has no meaning", &map - image_.tensorMaps().data());
    }
    return {};
  }

  /// What the driver would refuse, or what code of another target would be.
  Status launchOf(const caa_kernel &kernel, std::string_view name) const {
    if (!isTarget(kernel.target))
      return bad("kernel `{}` is for a target that the file does not have", name);
    if (!fits(kernel.first_tensor_map, kernel.tensor_map_count, header_.tensor_maps.count))
      return bad("kernel `{}` has tensor maps that do not exist", name);
    if (kernel.target == CAA_TARGET_CPU) {
      if (kernel.threads || kernel.shared_bytes || kernel.blocks_per_sm || kernel.counters || kernel.tensor_map_count)
        return bad("kernel `{}` is for the CPU but has a GPU's launch", name);
      return {};
    }
    if (name.empty() || kernel.cpu_avx2 || kernel.cpu_avx512)
      return bad("kernel `{}` is for a GPU but has a CPU's code", name);
    if (kernel.threads < 32 || kernel.threads > 1024 || kernel.threads % 32 != 0 || kernel.shared_bytes > mostShared ||
        kernel.blocks_per_sm > 32 || kernel.counters > mostCounters ||
        (kernel.target == CAA_TARGET_SM80 && kernel.tensor_map_count != 0))
      return bad("kernel `{}` has a launch that no device of its target can do", name);
    return {};
  }

  Status kernels() const {
    for (const caa_kernel &kernel : image_.kernels()) {
      CAA_CHECK(text(kernel.name, "name of a kernel"));
      CAA_CHECK(text(kernel.location, "location of a kernel"));
      auto name = image_.text(kernel.name);
      CAA_CHECK(size(kernel.grid, fmt::format("kernel `{}`", name)));
      CAA_CHECK(size(kernel.scratch, fmt::format("kernel `{}`", name)));
      for (int64_t code : {kernel.cpu_avx2, kernel.cpu_avx512})
        if (code != 0 && !file_.isCode(image_.address() + uint64_t(code)))
          return bad("kernel `{}` points at what is not code", name);
      if (!std::isfinite(kernel.flops_per_item))
        return bad("the work of kernel `{}` is no number", name);
      CAA_CHECK(launchOf(kernel, name));
    }
    return {};
  }

  Status lossesAndReports() const {
    for (const caa_loss &loss : image_.losses()) {
      CAA_CHECK(text(loss.name, "name of a loss"));
      if (loss.heads < 1)
        return bad("loss `{}` has no heads", image_.text(loss.name));
    }
    for (const caa_report &report : image_.reports()) {
      CAA_CHECK(text(report.name, "name of a report"));
      CAA_CHECK(text(report.path, "path of a report"));
    }
    return {};
  }

  Status modules() const {
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (const caa_module &module : image_.modules()) {
      const auto number = &module - image_.modules().data();
      CAA_CHECK(text(module.code, "code of a module"));
      if (module.kind > CAA_MODULE_CUBIN || module.target == CAA_TARGET_CPU || !isTarget(module.target))
        return bad("module {} is of an unknown kind", number);
      if (module.code.size == 0 ||
          (module.kind == CAA_MODULE_PTX && image_.text(module.code).find('\0') != std::string_view::npos))
        return bad("module {} holds no code", number);
      if (!seen.insert({module.target, module.kind}).second)
        return bad("there are two modules of one kind for {}", nameOfTarget(module.target));
    }
    for (const caa_kernel &kernel : image_.kernels())
      if (kernel.target != CAA_TARGET_CPU && !seen.contains({kernel.target, CAA_MODULE_PTX}))
        return bad("there is no module for {}", nameOfTarget(kernel.target));
    return {};
  }

  Status buffers() const {
    for (const caa_buffer &buffer : image_.buffers()) {
      size_t number = &buffer - image_.buffers().data();
      CAA_CHECK(text(buffer.name, "name of a buffer"));
      CAA_CHECK(size(buffer.bytes, fmt::format("buffer {}", number)));
      if (buffer.dtype > CAA_BF16)
        return bad("buffer {} has an unknown type", number);
      uint64_t count = 0; // what `index` counts
      switch (buffer.kind) {
      case CAA_BUFFER_PARAMETER:
      case CAA_BUFFER_GRADIENT:
      case CAA_BUFFER_PARAMETER_BF16:
        count = header_.parameters.count;
        break;
      case CAA_BUFFER_VALUE:
        count = header_.values.count;
        break;
      case CAA_BUFFER_CONSTANT:
        count = header_.image_size;
        break;
      case CAA_BUFFER_ARENA:
      case CAA_BUFFER_LOSS_SCALE:
      case CAA_BUFFER_LOSS_SUM:
      case CAA_BUFFER_LOSS_COUNT:
      case CAA_BUFFER_REPORT:
      case CAA_BUFFER_PARAMETERS:
      case CAA_BUFFER_GRADIENTS:
      case CAA_BUFFER_MOMENT1:
      case CAA_BUFFER_MOMENT2:
      case CAA_BUFFER_PARAMETERS_BF16:
      case CAA_BUFFER_OPTIMIZER:
        continue;
      default:
        return bad("buffer {} is of an unknown kind", number);
      }
      if (buffer.index >= count)
        return bad("buffer {} names what does not exist", number);
    }
    return {};
  }

  Status entries() const {
    std::set<std::pair<uint32_t, std::string_view>> names;
    for (const caa_entry &entry : image_.entries()) {
      CAA_CHECK(text(entry.name, "name of an entry"));
      auto name = image_.text(entry.name);
      if (!isTarget(entry.target))
        return bad("entry `{}` is for a target that the file does not have", name);
      if (!names.insert({entry.target, name}).second)
        return bad("two entries are called `{}`", name);
      if (!fits(entry.first_command, entry.command_count, header_.commands.count) ||
          !fits(entry.first_buffer, entry.buffer_count, header_.buffers.count) ||
          !fits(entry.first_value, entry.value_count, header_.values.count))
        return bad("entry `{}` names what does not exist", name);
      CAA_CHECK(commands(entry, name));
      for (const caa_buffer &buffer : image_.buffersOf(entry))
        CAA_CHECK(bufferOf(entry, buffer, name));
    }
    return {};
  }

  Status bufferOf(const caa_entry &entry, const caa_buffer &buffer, std::string_view name) const {
    uint32_t end = entry.first_command + entry.command_count;
    if (buffer.kind == CAA_BUFFER_ARENA && (buffer.first_command < entry.first_command ||
                                            buffer.last_command < buffer.first_command || buffer.last_command >= end))
      return bad("a buffer of entry `{}` lives outside of it", name);
    if (buffer.kind == CAA_BUFFER_VALUE && !fits(buffer.index - entry.first_value, 1, entry.value_count))
      return bad("a buffer of entry `{}` names a value of another entry", name);
    if (buffer.kind >= CAA_BUFFER_PARAMETER_BF16 && entry.target == CAA_TARGET_CPU)
      return bad("a buffer of entry `{}` is of a kind that GPUs have alone", name);
    return {};
  }

  /// A launch: its kernel, and what the kernel's tensor maps see.
  Status launch(const caa_entry &entry, const caa_command &command, std::string_view where) const {
    if (command.index >= header_.kernels.count)
      return bad("{} launches a kernel that does not exist", where);
    const caa_kernel &kernel = image_.kernels()[command.index];
    if (kernel.target != entry.target)
      return bad("{} launches a kernel of another target", where);
    auto bytes = uint64_t(command.operand_count) * 8 + 6 * 8 + 64 + uint64_t(kernel.tensor_map_count) * 128;
    if (kernel.target != CAA_TARGET_CPU && bytes > CAA_MOST_LAUNCH_BYTES)
      return bad("{} has more operands than a launch can take", where);
    auto operands = image_.operands().subspan(command.first_operand, command.operand_count);
    for (const caa_tensor_map &map : image_.tensorMaps().subspan(kernel.first_tensor_map, kernel.tensor_map_count))
      if (map.operand >= operands.size() || operands[map.operand].row_bytes != 0 || operands[map.operand].offset % 16 != 0)
        return bad("{} has a tensor map of what is no whole operand", where);
    return {};
  }

  Status product(const caa_entry &entry, const caa_command &command, std::string_view where) const {
    if (command.lda < 1 || command.ldb < 1 || command.ldc < 1 || command.transpose_a > 1 || command.transpose_b > 1)
      return bad("{} is a product without meaning", where);
    for (uint32_t dtype : {command.a_dtype, command.b_dtype, command.c_dtype})
      if (dtype != CAA_F32 && (dtype != CAA_BF16 || entry.target == CAA_TARGET_CPU))
        return bad("{} is a product of a type that {} cannot compute", where, nameOfTarget(entry.target));
    return {};
  }

  Status commands(const caa_entry &entry, std::string_view name) const {
    const uint32_t end = entry.first_command + entry.command_count;
    uint32_t loopEnd = 0; // the first command after the loop that we are in
    for (uint32_t i = entry.first_command; i < end; ++i) {
      const caa_command &command = image_.commands()[i];
      auto where = fmt::format("command {} of entry `{}`", i - entry.first_command, name);
      CAA_CHECK(text(command.location, "location of " + where));
      for (caa_size value : {command.m, command.n, command.k})
        CAA_CHECK(size(value, where));
      if (!fits(command.first_operand, command.operand_count, header_.operands.count))
        return bad("{} has operands that do not exist", where);
      CAA_CHECK(operands(entry, command, i, where));
      uint32_t operandsDue = command.operand_count;
      switch (command.kind) {
      case CAA_COMMAND_KERNEL:
        CAA_CHECK(launch(entry, command, where));
        break;
      case CAA_COMMAND_PRODUCT:
        operandsDue = command.operand_count == 4 && entry.target != CAA_TARGET_CPU ? 4 : 3;
        CAA_CHECK(product(entry, command, where));
        break;
      case CAA_COMMAND_FILL:
        operandsDue = 1;
        break;
      case CAA_COMMAND_COPY:
        operandsDue = 2;
        break;
      case CAA_COMMAND_LOOP:
        operandsDue = 0;
        if (command.chunk < 1 || i < loopEnd || command.index > end - i - 1)
          return bad("{} is a loop without meaning", where);
        loopEnd = i + 1 + command.index;
        break;
      default:
        return bad("{} is of an unknown kind", where);
      }
      if (command.operand_count != operandsDue)
        return bad("{} has {} operands", where, command.operand_count);
    }
    return {};
  }

  Status operands(const caa_entry &entry, const caa_command &command, uint32_t number, std::string_view where) const {
    for (const caa_operand &operand : image_.operands().subspan(command.first_operand, command.operand_count)) {
      if (operand.buffer < entry.first_buffer || operand.buffer - entry.first_buffer >= entry.buffer_count)
        return bad("{} uses a buffer of another entry", where);
      const caa_buffer &buffer = image_.buffers()[operand.buffer];
      if (buffer.kind == CAA_BUFFER_ARENA && (number < buffer.first_command || number > buffer.last_command))
        return bad("{} uses a buffer outside of its life", where);
      if (operand.offset < 0 || operand.row_bytes < 0)
        return bad("{} uses a place before its buffer", where);
    }
    return {};
  }

  const Image &image_;
  const caa_header &header_;
  const ElfFile &file_;
};

} // namespace

Status checkHeader(std::span<const std::byte> image) {
  if (image.size() < 8)
    return inputError("its tables are cut off");
  const auto &header = *reinterpret_cast<const caa_header *>(image.data());
  if (header.magic != CAA_ABI_MAGIC)
    return inputError("its tables have no magic number");
  if (header.abi_version != CAA_ABI_VERSION)
    return inputError(fmt::format("it was compiled for version {} of the interface, this program knows version {}: "
                                  "compile it again with this version's `caac`",
                                  header.abi_version, CAA_ABI_VERSION));
  if (image.size() < sizeof(caa_header) || header.header_size != sizeof(caa_header) ||
      header.image_size != image.size())
    return inputError("its tables have the wrong size");
  for (const TableField &field : tableFields) {
    const caa_table &table = header.*field.table;
    if (table.stride != field.size)
      return bad("records of table `{}` have {} bytes, not {}", field.name, table.stride, field.size);
    if (table.offset % 8 != 0 || !fits(table.offset, uint64_t(table.count) * table.stride, image.size()))
      return bad("table `{}` lies outside of the image", field.name);
  }
  return {};
}

Status checkTables(const Image &image, const ElfFile &file) { return Checker(image, file).run(); }

} // namespace caa
