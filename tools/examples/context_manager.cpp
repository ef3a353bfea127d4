// `async with`: a resource that is acquired and released by awaiting, as a class and as a generator that
// yields once; and a stack of as many of them as the data asks for.
//
//   tools/run context_manager
#include "play.h"

#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;

class connection {
 public:
  explicit connection(std::string name) : name_(std::move(name)) {}
  weft::task<connection&> aenter() {
    co_await weft::sleep(100ms);
    std::cout << name_ << ": open\n";
    co_return *this;
  }
  weft::task<> aexit(std::exception_ptr error) {
    co_await weft::sleep(100ms);
    std::cout << name_ << (error == nullptr ? ": closed\n" : ": closed after an error\n");
  }
  std::string query(int n) const { return name_ + " says " + std::to_string(n); }

 private:
  std::string name_;
};

weft::async_generator<int> transaction() {
  std::cout << "begin\n";
  bool failed = false;
  try {
    co_yield 42;  // the body of async_with runs here
  } catch (const std::exception& error) {
    std::cout << "rollback: " << error.what() << "\n";
    failed = true;
  }
  if (!failed) std::cout << "commit\n";
}

weft::task<> app() {
  co_await weft::async_with(connection("database"), [](connection& open) -> weft::task<> {
    std::cout << open.query(1) << "\n";
    co_await weft::sleep(10ms);
  });

  co_await weft::async_with(transaction(), [](int id) { std::cout << "work in " << id << "\n"; });
  co_await weft::async_with(transaction(), [](int) { throw std::runtime_error("no luck"); });

  const std::vector<std::string> hosts{"a", "b", "c"};
  co_await weft::with_exit_stack([&](weft::async_exit_stack& stack) -> weft::task<> {
    for (const std::string& host : hosts) {
      connection& open = co_await stack.enter(connection(host));
      std::cout << open.query(2) << "\n";
    }
  });
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
