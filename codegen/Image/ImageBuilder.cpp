// Lays out the image: header, tables in the header's order, then constants and texts.
#include "codegen/Image/Image.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/SHA256.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace caa {
namespace {

using namespace schedule;

class Builder {
public:
  Builder(const Program &program, const Texts &texts) : program(program), texts(texts) {}
  Image build();

private:
  // Texts come after all tables, so their places are known only at the end: records keep a number of `strings` until then.
  caa_text text(const std::string &value);
  caa_size size(const Size &value);
  void addParameters();
  void addKernels();
  void addEntry(const Entry &entry);
  void addCommand(const Command &command, uint32_t firstBuffer);
  uint64_t place(const std::string &value, uint64_t alignment);
  void resolve(caa_text &value) const { value.offset = places[value.offset]; }

  template <typename T> void table(caa_table &where, const std::vector<T> &records) {
    bytes.resize((bytes.size() + 15) / 16 * 16);
    where = {bytes.size(), uint32_t(records.size()), uint32_t(sizeof(T))};
    const char *first = reinterpret_cast<const char *>(records.data());
    bytes.insert(bytes.end(), first, first + records.size() * sizeof(T));
  }

  const Program &program;
  const Texts &texts;
  caa_header header = {};
  std::vector<char> bytes;
  std::vector<std::string> strings;
  llvm::StringMap<uint64_t> stringNumbers;
  std::vector<uint64_t> places; // of strings
  std::vector<caa_term> terms;
  std::map<std::vector<Term>, caa_size> sizes;
  std::vector<caa_parameter> parameters;
  std::vector<caa_buffer> buffers;
  std::vector<caa_kernel> kernels;
  std::vector<caa_operand> operands;
  std::vector<caa_command> commands;
  std::vector<caa_entry> entries;
  std::vector<caa_value> values;
  std::vector<caa_loss> losses;
  std::vector<caa_report> reports;
  std::vector<caa_module> modules;
  std::vector<caa_tensor_map> tensorMaps;
};

caa_text Builder::text(const std::string &value) {
  auto [it, isNew] = stringNumbers.try_emplace(value, strings.size());
  if (isNew)
    strings.push_back(value);
  return {it->second, value.size()};
}

caa_size Builder::size(const Size &value) {
  auto [it, isNew] = sizes.try_emplace(value.terms, caa_size{uint32_t(terms.size()), uint32_t(value.terms.size())});
  if (isNew)
    for (const Term &term : value.terms)
      terms.push_back({term.coefficient, term.lengthDivisor, term.divisor, term.batch, term.length, term.rows, {}});
  return it->second;
}

void Builder::addParameters() {
  for (const Parameter &parameter : program.parameters) {
    caa_parameter record = {};
    record.name = text(parameter.name);
    record.group = text(parameter.group);
    llvm::copy(parameter.shape, record.shape);
    record.rank = parameter.shape.size();
    record.init = parameter.init;
    record.init_a = parameter.a;
    record.init_b = parameter.b;
    record.low = parameter.low;
    record.high = parameter.high;
    record.offset = parameter.offset;
    record.elements = parameter.elements();
    record.decay = parameter.decay;
    record.group_number = parameter.groupNumber;
    parameters.push_back(record);
  }
}

void Builder::addKernels() {
  for (const Kernel &kernel : program.kernels) {
    caa_kernel record = {};
    record.name = text(kernel.name);
    record.location = text(kernel.location);
    record.grid = size(kernel.grid);
    record.scratch = size(kernel.scratch);
    record.flops_per_item = kernel.flopsPerItem;
    record.tile_queries = kernel.tileQueries;
    record.tile_keys = kernel.tileKeys;
    record.target = kernel.target;
    record.threads = kernel.threads;
    record.shared_bytes = kernel.sharedBytes;
    record.blocks_per_sm = kernel.blocksPerSm;
    record.counters = kernel.counters;
    record.first_tensor_map = tensorMaps.size();
    record.tensor_map_count = kernel.tensorMaps.size();
    record.registers = kernel.registers;
    record.spill_bytes = kernel.spillBytes;
    for (const TensorMap &map : kernel.tensorMaps)
      tensorMaps.push_back({map.operand, map.dtype, map.heads, map.width, map.boxWidth, map.boxRows, map.swizzle, 0});
    kernels.push_back(record);
  }
}

void Builder::addCommand(const Command &command, uint32_t firstBuffer) {
  caa_command record = {};
  record.kind = command.kind;
  record.index = command.index;
  record.first_operand = operands.size();
  record.operand_count = command.operands.size();
  record.m = size(command.m);
  record.n = size(command.n);
  record.k = size(command.k);
  record.lda = command.lda;
  record.ldb = command.ldb;
  record.ldc = command.ldc;
  record.alpha = command.alpha;
  record.beta = command.beta;
  record.transpose_a = command.transposeA;
  record.transpose_b = command.transposeB;
  record.chunk = command.chunk;
  record.location = text(command.location);
  record.a_dtype = command.dtypeA;
  record.b_dtype = command.dtypeB;
  record.c_dtype = command.dtypeC;
  commands.push_back(record);
  for (const Operand &operand : command.operands)
    operands.push_back({firstBuffer + operand.buffer, 0, operand.offset, operand.rowBytes});
}

void Builder::addEntry(const Entry &entry) {
  caa_entry record = {};
  record.name = text(entry.name);
  record.first_command = commands.size();
  record.command_count = entry.commands.size();
  record.first_buffer = buffers.size();
  record.buffer_count = entry.buffers.size();
  record.first_value = values.size();
  record.value_count = entry.values.size();
  record.target = entry.target;
  header.targets |= entry.target;
  for (const Value &value : entry.values)
    values.push_back({text(value.name), value.direction, value.dtype, value.heads, value.width, value.perToken, 0});
  for (const Buffer &buffer : entry.buffers) {
    bool arena = buffer.kind == CAA_BUFFER_ARENA;
    // A value's index is counted in the whole table.
    uint64_t index = buffer.kind == CAA_BUFFER_VALUE ? record.first_value + buffer.index : buffer.index;
    buffers.push_back({text(buffer.name), buffer.kind, buffer.dtype, index, size(buffer.bytes),
                       arena ? record.first_command + buffer.first : 0, arena ? record.first_command + buffer.last : 0});
  }
  for (const Command &command : entry.commands)
    addCommand(command, record.first_buffer);
  entries.push_back(record);
}

uint64_t Builder::place(const std::string &value, uint64_t alignment) {
  bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
  uint64_t offset = bytes.size();
  bytes.insert(bytes.end(), value.c_str(), value.c_str() + value.size() + 1);
  return offset;
}

Image Builder::build() {
  header.magic = CAA_ABI_MAGIC;
  header.abi_version = CAA_ABI_VERSION;
  header.header_size = sizeof(caa_header);
  auto hash = llvm::SHA256::hash(llvm::arrayRefFromStringRef(texts.source));
  std::copy(hash.begin(), hash.end(), header.source_sha256);
  addParameters();
  addKernels();
  for (const Entry &entry : program.entries)
    addEntry(entry);
  for (const Loss &loss : program.losses)
    losses.push_back({text(loss.name), loss.heads});
  for (const Report &report : program.reports)
    reports.push_back({text(report.name), text(report.path)});
  caa_text *headerTexts[] = {&header.compiler,   &header.model_name, &header.source,  &header.settings,
                             &header.plain_form, &header.final_ir,   &header.analysis};
  const std::string *sources[] = {&texts.compiler,  &texts.modelName, &texts.source,  &texts.settings,
                                  &texts.plainForm, &texts.finalIr,   &texts.analysis};
  for (auto [target, source] : llvm::zip(headerTexts, sources))
    *target = text(*source);

  // Constants and texts are placed behind the tables; the tables' sizes are known by now.
  bytes.resize(sizeof(caa_header));
  auto layOutTables = [&] {
    bytes.resize(sizeof(caa_header));
    table(header.terms, terms);
    table(header.parameters, parameters);
    table(header.buffers, buffers);
    table(header.kernels, kernels);
    table(header.operands, operands);
    table(header.commands, commands);
    table(header.entries, entries);
    table(header.values, values);
    table(header.losses, losses);
    table(header.reports, reports);
    table(header.modules, modules);
    table(header.tensor_maps, tensorMaps);
  };
  modules.resize(program.modules.size());
  layOutTables();
  uint64_t tablesEnd = bytes.size();
  std::vector<uint64_t> constantPlaces;
  for (const std::string &constant : program.constants)
    constantPlaces.push_back(place(constant, 64));
  for (const std::string &string : strings)
    places.push_back(place(string, 1));
  for (auto [record, module] : llvm::zip(modules, program.modules))
    record = {{place(module.code, 64), module.code.size()}, uint32_t(module.kind), uint32_t(module.target)};
  std::vector<char> tail(bytes.begin() + tablesEnd, bytes.end());

  for (caa_text *value : headerTexts)
    resolve(*value);
  for (caa_parameter &record : parameters)
    resolve(record.name), resolve(record.group);
  for (caa_kernel &record : kernels)
    resolve(record.name), resolve(record.location);
  for (caa_command &record : commands)
    resolve(record.location);
  for (caa_buffer &record : buffers) {
    resolve(record.name);
    if (record.kind == CAA_BUFFER_CONSTANT)
      record.index = constantPlaces[record.index];
  }
  for (caa_entry &record : entries)
    resolve(record.name);
  for (caa_value &record : values)
    resolve(record.name);
  for (caa_loss &record : losses)
    resolve(record.name);
  for (caa_report &record : reports)
    resolve(record.name), resolve(record.path);
  layOutTables();
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  bytes.resize((bytes.size() + 15) / 16 * 16);
  header.image_size = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof(header));

  Image image;
  for (auto [number, kernel] : llvm::enumerate(program.kernels)) {
    uint64_t record = header.kernels.offset + number * sizeof(caa_kernel);
    if (!kernel.avx2.empty())
      image.slots.push_back({record + offsetof(caa_kernel, cpu_avx2), kernel.avx2});
    if (!kernel.avx512.empty())
      image.slots.push_back({record + offsetof(caa_kernel, cpu_avx512), kernel.avx512});
  }
  image.bytes = std::move(bytes);
  return image;
}

} // namespace

Image buildImage(const Program &program, const Texts &texts) { return Builder(program, texts).build(); }

} // namespace caa
