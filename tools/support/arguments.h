#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tools {

/// The command line of a program: options with a value (`--name VALUE` or `--name=VALUE`) and
/// flags.
///
/// Each option is bound to a variable that holds its default. A bad argument is named on the error
/// stream; nothing is bound twice, the last occurrence wins.
///
///     arguments line("weft-echo", "TCP echo server.");
///     line.flag("--json", json, "print JSON");
///     if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
class arguments {
 public:
  /// Reads one value; throws std::invalid_argument with a message that says what is wrong.
  using reader = std::function<void(std::string_view)>;

  /// The whole numbers an option accepts, both ends included.
  struct range {
    std::size_t least;
    std::size_t most;
  };

  /// The exit code for a command line that cannot be understood.
  static constexpr int bad_usage = 2;

  arguments(std::string_view program, std::string_view summary);

  void flag(std::string_view name, bool& into, std::string_view help);
  /// Not empty: that is what an unset variable of a script gives.
  void text(std::string_view name, std::string_view value, std::string& into,
            std::string_view help);
  void number(std::string_view name, std::string_view value, std::size_t& into, range accepted,
              std::string_view help);

  /// `--workers N`, as runtime_options::workers takes it; `whose`: "threads that run tasks".
  void workers(std::size_t& into, std::string_view whose);

  /// Seconds, with a fraction if need be ("0.5"); at most a day.
  void seconds(std::string_view name, std::string_view value, std::chrono::milliseconds& into,
               std::string_view help);

  /// A whole number without a name, which has to be given: the PID of `weft-ps PID`.
  void operand(std::string_view value, std::size_t& into, range accepted, std::string_view help);

  /// A value that only its owner can read.
  void custom(std::string_view name, std::string_view value, reader read, std::string_view help);

  /// Reads the command line. Gives the exit code when the program is to end now: 0 after `--help`,
  /// bad_usage after a bad argument.
  [[nodiscard]] std::optional<int> parse(int count, const char* const* words, std::ostream& out,
                                         std::ostream& errors) const;

 private:
  struct option {
    std::string name;
    std::string value;  // what the help calls the value; empty: a flag
    std::string help;
    reader read;
  };

  void read_words(const char* const* next, const char* const* end) const;
  void print_help(std::ostream& out) const;
  [[nodiscard]] const option& find(std::string_view name) const;
  void apply(std::string_view word, const char* const*& next, const char* const* end) const;
  static void read_value(const option& of, std::string_view value);

  std::string program_;
  std::string summary_;
  std::vector<option> options_;
  std::vector<option> operands_;
};

}  // namespace weft::tools
