// Three servers are asked, the first answer counts, and the other questions are taken back: with
// wait() as in asyncio, and in one line with select().
//
//   tools/run first_wins
#include "play.h"

#include <vector>

using namespace std::chrono_literals;

weft::task<std::string> ask(std::string server, std::chrono::milliseconds delay) {
  try {
    co_await weft::sleep(delay);
  } catch (const weft::cancelled_error&) {
    std::cout << server << " is not asked any more\n";
    throw;
  }
  co_return "answer of " + server;
}

weft::task<> app() {
  std::vector<weft::join_handle<std::string>> questions;
  questions.push_back(weft::spawn(ask("alpha", 300ms)));
  questions.push_back(weft::spawn(ask("beta", 100ms)));
  questions.push_back(weft::spawn(ask("gamma", 200ms)));

  auto [done, pending] = co_await weft::wait(questions, weft::return_when::first_completed);
  for (const std::size_t each : done) std::cout << questions[each].result() << "\n";
  for (const std::size_t each : pending) questions[each].cancel();
  const auto ended = co_await weft::wait(questions);
  std::cout << ended.done.size() << " questions have ended\n";

  const auto first = co_await weft::select(ask("delta", 50ms), ask("epsilon", 100ms));
  std::cout << (first.index() == 0 ? std::get<0>(first) : std::get<1>(first)) << "\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
