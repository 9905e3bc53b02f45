// The grammar of PTX as far as LLVM and our inline assembly write it: directives .reg and .pragma within a body, nested
// scopes with registers and labels of their own, labels, guarded instructions.
#include "test/ptx/Text.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>

namespace caa::ptx {
namespace {

bool isNameByte(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%'; }

struct Register {
  Width width;
  int32_t place;
  uint32_t count; // of a range %r<count>; 0 for one register
};

class Reader {
public:
  Reader(std::string_view text, size_t at, uint32_t line) : text_(text), at_(at), line_(line) {}

  KernelText read(const std::string &name) {
    kernel_.name = name;
    expect('(');
    readParameters();
    while (peek() != '{')
      if (text_.substr(at_).starts_with(".maxntid")) {
        opcode();
        kernel_.mostThreads = uint32_t(std::stoul(std::string(this->name())));
      } else {
        step();
      }
    expect('{');
    scopes_.emplace_back();
    while (!scopes_.empty())
      readOne();
    return std::move(kernel_);
  }

private:
  [[noreturn]] void fail(const std::string &what) const {
    throw Fault("line " + std::to_string(line_) + ": " + what + " near `" + std::string(text_.substr(at_, 40)) + "`");
  }
  void step() { line_ += text_[at_++] == '\n'; }
  char peek() {
    for (;;) {
      if (at_ >= text_.size())
        fail("the text ends");
      if (text_.substr(at_, 2) == "//")
        while (at_ < text_.size() && text_[at_] != '\n')
          ++at_;
      else if (std::isspace(static_cast<unsigned char>(text_[at_])))
        step();
      else
        return text_[at_];
    }
  }
  bool accept(char c) {
    if (peek() != c)
      return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c))
      fail(std::string("`") + c + "` expected");
  }
  std::string_view name() {
    peek();
    size_t begin = at_;
    while (at_ < text_.size() && isNameByte(text_[at_]))
      ++at_;
    if (at_ == begin)
      fail("a name expected");
    return text_.substr(begin, at_ - begin);
  }
  std::string_view opcode() {
    peek();
    size_t begin = at_;
    while (at_ < text_.size() && (isNameByte(text_[at_]) || text_[at_] == '.' || text_[at_] == ':'))
      ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void readParameters() {
    while (!accept(')')) {
      uint32_t size = 0, alignment = 1;
      while (peek() == '.') {
        ++at_;
        auto word = name();
        if (word == "u64" || word == "b64" || word == "s64" || word == "f64")
          size = alignment = 8;
        else if (word == "u32" || word == "b32" || word == "s32" || word == "f32")
          size = alignment = 4;
        else if (word == "b8" || word == "u8")
          size = 1;
        else if (word == "align") {
          auto number = uint32_t(std::stoul(std::string(name())));
          if (size == 0) // not the alignment of what a pointer shows
            alignment = number;
        }
      }
      Parameter parameter{std::string(name()), 0, size};
      if (accept('[')) {
        parameter.size = size * uint32_t(std::stoul(std::string(name())));
        expect(']');
      }
      parameter.offset = (uint32_t(parameterEnd_) + alignment - 1) / alignment * alignment;
      parameterEnd_ = parameter.offset + parameter.size;
      kernel_.parameters.push_back(std::move(parameter));
      accept(',');
    }
  }

  void readOne() {
    char c = peek();
    if (c == '{') {
      ++at_;
      scopes_.emplace_back();
      scopes_.back().number = ++lastScope_;
    } else if (c == '}') {
      ++at_;
      scopes_.pop_back();
    } else if (c == '.') {
      readDirective();
    } else {
      readInstruction();
    }
  }

  void readDirective() {
    auto word = opcode();
    if (word == ".reg")
      readRegisters();
    else if (word != ".pragma" && word != ".loc")
      fail("the directive " + std::string(word) + " is not emulated");
    while (!accept(';'))
      ++at_;
  }

  void readRegisters() {
    auto type = opcode();
    Width width = type == ".pred"        ? Width::Predicate
                  : type.ends_with("64") ? Width::Double
                  : type.ends_with("32") ? Width::Word
                  : type.ends_with("16") || type == ".b8" || type == ".u8"
                      ? Width::Half
                      : throw Fault("registers of " + std::string(type));
    do {
      auto base = std::string(name());
      uint32_t count = 0;
      if (accept('<')) {
        count = uint32_t(std::stoul(std::string(name())));
        expect('>');
      }
      const uint32_t number = std::max(count, 1u);
      Register made{width, 0, count};
      if (width == Width::Predicate) {
        made.place = int32_t(kernel_.predicates);
        kernel_.predicates += number;
      } else {
        made.place = int32_t(kernel_.registerWords);
        kernel_.registerWords += number * (width == Width::Double ? 64 : 32);
      }
      scopes_.back().registers[base] = made;
    } while (accept(','));
  }

  const Register *find(const std::string &name, uint32_t &index) const {
    size_t digits = name.size();
    while (digits > 0 && std::isdigit(static_cast<unsigned char>(name[digits - 1])))
      --digits;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (auto found = scope->registers.find(name); found != scope->registers.end() && found->second.count == 0) {
        index = 0;
        return &found->second;
      }
      if (digits == name.size())
        continue;
      auto found = scope->registers.find(name.substr(0, digits));
      index = uint32_t(std::stoul(name.substr(digits)));
      if (found != scope->registers.end() && index < found->second.count)
        return &found->second;
    }
    return nullptr;
  }

  bool toRegister(const std::string &name, Operand &operand) const {
    uint32_t index = 0;
    const Register *found = find(name, index);
    if (!found)
      return false;
    operand.kind = Operand::Kind::Register;
    operand.width = found->width;
    operand.place = found->place + int32_t(index) * (found->width == Width::Predicate ? 1
                                                     : found->width == Width::Double  ? 64
                                                                                      : 32);
    return true;
  }

  /// A label's name, made unique for its scope.
  std::string scoped(std::string_view label, int number) const {
    return label.starts_with("$L") ? std::string(label) : std::string(label) + "@" + std::to_string(number);
  }

  Operand readOperand() {
    Operand operand;
    char c = peek();
    if (c == '{') {
      ++at_;
      operand.kind = Operand::Kind::Vector;
      do
        operand.elements.push_back(readOperand());
      while (accept(','));
      expect('}');
    } else if (c == '[') {
      ++at_;
      auto base = std::string(name());
      if (!toRegister(base, operand)) {
        operand.name = base;
        operand.isSymbolic = true;
      }
      operand.kind = Operand::Kind::Address;
      if (accept('+'))
        operand.offset = std::stoll(number());
      if (accept(','))
        operand.elements = readOperand().elements;
      expect(']');
    } else if (c == '-' || std::isdigit(static_cast<unsigned char>(c))) {
      operand.kind = Operand::Kind::Immediate;
      auto text = number();
      if (text.starts_with("0f") || text.starts_with("0F") || text.starts_with("0d") || text.starts_with("0D"))
        operand.bits = std::stoull(text.substr(2), nullptr, 16);
      else if (text[0] == '-')
        operand.bits = uint64_t(std::stoll(text, nullptr, 0));
      else
        operand.bits = std::stoull(text, nullptr, 0);
    } else {
      auto text = std::string(name());
      if (text == "_")
        return operand;
      if (!toRegister(text, operand)) {
        operand.kind = Operand::Kind::Symbol;
        while (at_ < text_.size() && text_[at_] == '.') { // %tid.x
          ++at_;
          text += "." + std::string(name());
        }
        operand.name = text;
      }
    }
    return operand;
  }

  std::string number() {
    peek();
    std::string text;
    if (accept('-'))
      text = "-";
    return text + std::string(name());
  }

  void readInstruction() {
    Statement statement;
    if (accept('@')) {
      statement.isNegated = accept('!');
      Operand guard;
      if (!toRegister(std::string(name()), guard) || guard.width != Width::Predicate)
        fail("a guard that is no predicate");
      statement.predicate = guard.place;
    }
    peek();
    statement.line = line_;
    auto word = opcode();
    if (word.ends_with(":")) {
      kernel_.labels[scoped(word.substr(0, word.size() - 1), scopes_.back().number)] =
          uint32_t(kernel_.statements.size());
      return;
    }
    statement.opcode = std::string(word);
    const bool isBranch = word == "bra" || word == "bra.uni";
    if (!accept(';')) {
      do
        statement.operands.push_back(readOperand());
      while (accept(','));
      expect(';');
    }
    if (isBranch) {
      auto &label = statement.operands.at(0);
      label.kind = Operand::Kind::Label;
      label.name = scoped(label.name, scopes_.back().number);
    }
    kernel_.statements.push_back(std::move(statement));
  }

  struct Scope {
    int number = 0;
    std::unordered_map<std::string, Register> registers;
  };

  std::string_view text_;
  size_t at_;
  uint32_t line_;
  size_t parameterEnd_ = 0;
  int lastScope_ = 0;
  std::vector<Scope> scopes_;
  KernelText kernel_;
};

} // namespace

KernelText readKernel(std::string_view text, const std::string &name) {
  size_t at = text.find(".entry " + name + "(");
  if (at == std::string_view::npos)
    throw Fault("no kernel " + name);
  at = text.find('(', at);
  return Reader(text, at, 1 + uint32_t(std::count(text.begin(), text.begin() + long(at), '\n'))).read(name);
}

} // namespace caa::ptx
