#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <ostream>
#include <stdexcept>
#include <utility>

namespace weft::tools {

namespace {

constexpr double seconds_most = 86'400;
constexpr std::size_t workers_most = 64;  // of one runtime

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

/// All of `text` as a number, or nothing.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

std::size_t read_number(std::string_view text, arguments::range accepted) {
  const auto value = parse_number<std::size_t>(text);
  if (value && *value >= accepted.least && *value <= accepted.most) return *value;
  throw std::invalid_argument(quoted(text) + " is not a whole number from " +
                              std::to_string(accepted.least) + " to " +
                              std::to_string(accepted.most));
}

std::chrono::milliseconds read_seconds(std::string_view text) {
  const auto value = parse_number<double>(text);
  if (value && *value >= 0 && *value <= seconds_most) {
    return std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(*value));
  }
  throw std::invalid_argument(quoted(text) + " is not a number of seconds from 0 to 86400");
}

}  // namespace

arguments::arguments(std::string_view program, std::string_view summary)
    : program_(program), summary_(summary) {
  options_.push_back({"--help", "", "show this and exit", {}});
}

void arguments::flag(std::string_view name, bool& into, std::string_view help) {
  custom(name, "", [&into](std::string_view) { into = true; }, help);
}

void arguments::text(std::string_view name, std::string_view value, std::string& into,
                     std::string_view help) {
  const auto read = [&into](std::string_view text) {
    if (text.empty()) throw std::invalid_argument("is empty");
    into = text;
  };
  custom(name, value, read, help);
}

void arguments::number(std::string_view name, std::string_view value, std::size_t& into,
                       range accepted, std::string_view help) {
  const auto read = [&into, accepted](std::string_view text) {
    into = read_number(text, accepted);
  };
  custom(name, value, read, help);
}

void arguments::workers(std::size_t& into, std::string_view whose) {
  const std::string usual =
      into == 0 ? "default 0: one" : "default " + std::to_string(into) + "; 0: one";
  number("--workers", "N", into, {0, workers_most},
         std::string(whose) + ", " + usual + " for each usable CPU");
}

void arguments::seconds(std::string_view name, std::string_view value,
                        std::chrono::milliseconds& into, std::string_view help) {
  custom(name, value, [&into](std::string_view text) { into = read_seconds(text); }, help);
}

void arguments::operand(std::string_view value, std::size_t& into, range accepted,
                        std::string_view help) {
  const auto read = [&into, accepted](std::string_view text) {
    into = read_number(text, accepted);
  };
  operands_.push_back(option{std::string(value), "", std::string(help), read});
}

void arguments::custom(std::string_view name, std::string_view value, reader read,
                       std::string_view help) {
  // --help stays last in the list it prints.
  options_.insert(options_.end() - 1, option{std::string(name), std::string(value),
                                             std::string(help), std::move(read)});
}

std::optional<int> arguments::parse(int count, const char* const* words, std::ostream& out,
                                    std::ostream& errors) const {
  const char* const* const end = words + count;
  const char* const* next = count > 0 ? words + 1 : end;
  const auto asks_for_help = [](std::string_view word) { return word == "--help" || word == "-h"; };
  if (std::any_of(next, end, asks_for_help)) {
    print_help(out);
    return 0;
  }
  try {
    read_words(next, end);
  } catch (const std::invalid_argument& error) {
    errors << program_ << ": " << error.what() << " (try " << program_ << " --help)\n";
    return bad_usage;
  }
  return std::nullopt;
}

void arguments::read_words(const char* const* next, const char* const* end) const {
  auto operand = operands_.begin();
  while (next != end) {
    const std::string_view word = *next++;
    if (operand != operands_.end() && !word.starts_with('-')) {
      read_value(*operand++, word);
    } else {
      apply(word, next, end);
    }
  }
  if (operand != operands_.end()) throw std::invalid_argument(operand->name + " is missing");
}

void arguments::apply(std::string_view word, const char* const*& next,
                      const char* const* end) const {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const option& found = find(name);
  const bool is_flag = found.value.empty();
  if (is_flag && equals != std::string_view::npos) {
    throw std::invalid_argument(found.name + " takes no value");
  }
  std::string_view value;
  if (equals != std::string_view::npos) {
    value = word.substr(equals + 1);
  } else if (!is_flag) {
    if (next == end) throw std::invalid_argument(found.name + " needs a value: " + found.value);
    value = *next++;
  }
  read_value(found, value);
}

void arguments::read_value(const option& of, std::string_view value) {
  try {
    of.read(value);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(of.name + ": " + error.what());
  }
}

const arguments::option& arguments::find(std::string_view name) const {
  const auto found = std::ranges::find(options_, name, &option::name);
  if (found != options_.end()) return *found;
  if (name.starts_with('-')) throw std::invalid_argument("unknown option " + quoted(name));
  throw std::invalid_argument("unexpected argument " + quoted(name));
}

void arguments::print_help(std::ostream& out) const {
  const auto title = [](const option& each) {
    return each.value.empty() ? each.name : each.name + ' ' + each.value;
  };
  std::size_t width = 0;
  for (const auto* list : {&operands_, &options_}) {
    for (const option& each : *list) width = std::max(width, title(each).size());
  }

  out << "usage: " << program_ << " [options]";
  for (const option& each : operands_) out << ' ' << each.name;
  out << "\n\n" << summary_ << "\n\n";
  for (const auto* list : {&operands_, &options_}) {
    for (const option& each : *list) {
      std::string left = title(each);
      left.resize(width, ' ');
      out << "  " << left << "  " << each.help << '\n';
    }
  }
}

}  // namespace weft::tools
