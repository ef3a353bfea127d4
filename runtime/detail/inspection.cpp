#include "inspection.h"

#include "../error.h"
#include "scheduler.h"
#include "sys.h"
#include "task_report.h"
#include "threads.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace weft::detail {

// weft-ps looks for these bytes to tell a program of ours.
[[gnu::used]] const char inspection_greeting[] = "weft-inspection 1\n";

namespace {

// ---- The answer ---------------------------------------------------------------------------------

/// A value is the rest of its line.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(line.begin(), line.end(), [](unsigned char each) { return each < ' '; }, ' ');
  return line;
}

void append(std::string& answer, const char* word, std::string_view value) {
  answer += word;
  answer += ' ';
  answer += one_line(value);
  answer += '\n';
}

void append(std::string& answer, const task_report& task) {
  constexpr const char* activities[] = {"ready", "running", "suspended"};
  append(answer, "task",
         std::to_string(task.id) + ' ' + std::to_string(task.parent) + ' ' +
             activities[static_cast<int>(task.activity)]);
  append(answer, "name", task.name);
  if (task.where != nullptr) append(answer, "where", task.where);
  for (const std::uint64_t each : task.awaited) append(answer, "awaits", std::to_string(each));
  for (const resume_point& each : task.chain.shown) append(answer, "at", each.text());
  if (task.chain.depth > task.chain.shown.size())
    append(answer, "more", std::to_string(task.chain.depth - task.chain.shown.size()));
}

void append(std::string& answer, const inspection& inspected) {
  scheduler& runtime = inspected.runtime();
  append(answer, "runtime", std::to_string(runtime.size()) + ' ' + runtime.name());
  const std::string metrics = inspected.metrics();
  for (std::string_view rest = metrics; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    append(answer, "metric", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const task_report& each : report_tasks(runtime)) append(answer, each);
}

// ---- The server ---------------------------------------------------------------------------------

class descriptor {
 public:
  /// Throws std::system_error for a negative errno.
  descriptor(int fd_or_error, const char* operation) : fd_(fd_or_error) {
    check(fd_or_error, operation);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() { sys::close(fd_); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  static void check(int error, const char* operation) {
    if (error < 0) throw_system_error(-error, std::string("weft-ps: ") + operation);
  }

 private:
  const int fd_;
};

/// The runtimes that may be looked into.
struct visible_runtimes {
  os_mutex lock;
  intrusive_list<inspection> list;  // guarded by lock; held while one is looked into

  std::string describe() {
    const std::lock_guard guard(lock);
    std::string answer = inspection_greeting;
    for (inspection* each = list.front(); each != nullptr; each = list.after(*each))
      append(answer, *each);
    return answer + "end\n";
  }
};

constinit visible_runtimes visible;

class server {
 public:
  server()
      : listener_(sys::socket(AF_UNIX, SOCK_STREAM), "socket"),
        stop_(sys::eventfd_create(), "eventfd") {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "weft-ps/" + std::to_string(::getpid());
    std::memcpy(address.sun_path + 1, name.data(), name.size());  // behind a NUL: no file
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    descriptor::check(sys::bind(listener_.get(), generic, size), "bind");
    descriptor::check(sys::listen(listener_.get(), backlog), "listen");
    const sys::all_signals_blocked blocked;
    thread_ = os_thread([this] { serve(); });
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  ~server() {
    sys::eventfd_signal(stop_.get());
    thread_.join();
  }

 private:
  static constexpr int backlog = 8;
  static constexpr int for_ever = -1;
  static constexpr int patience_ms = 2'000;  // with a client that does not read
  static constexpr int pause_ms = 100;       // when no descriptor is left to accept with

  void serve() noexcept {
    while (sys::wait_ready(listener_.get(), POLLIN, stop_.get(), for_ever)) {
      const int client = sys::accept(listener_.get(), nullptr, nullptr);
      if (client >= 0) {
        answer(client);
        sys::close(client);
      } else {
        (void)sys::wait_ready(-1, 0, stop_.get(), pause_ms);
      }
    }
  }

  void answer(int client) noexcept {
    ucred peer{};
    const bool known = sys::peer_credentials(client, &peer) >= 0;
    if (!known || (peer.uid != 0 && peer.uid != ::geteuid())) return;
    try {
      send_all(client, visible.describe());
    } catch (const std::exception&) {  // out of memory: it sees that the end is missing
    }
  }

  void send_all(int client, std::string_view text) noexcept {
    while (!text.empty()) {
      const ssize_t sent = sys::send(client, text.data(), text.size());
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else if (sent != -EAGAIN || !sys::wait_ready(client, POLLOUT, stop_.get(), patience_ms)) {
        return;
      }
    }
  }

  descriptor listener_;
  descriptor stop_;
  os_thread thread_;
};

// One inspection begins or ends at a time.
constinit os_mutex lifetimes;
constinit server* running = nullptr;  // guarded by lifetimes; exists while one of them does

}  // namespace

bool inspectable_by_environment() noexcept {
  const char* const set = std::getenv("WEFT_PS");  // NOLINT(concurrency-mt-unsafe): only read
  return set != nullptr && *set != '\0' && std::string_view(set) != "0";
}

inspection::inspection(scheduler& of, metrics_writer writer) : runtime_(of), metrics_(writer) {
  const std::lock_guard one_at_a_time(lifetimes);
  if (running == nullptr) running = std::make_unique<server>().release();
  const std::lock_guard guard(visible.lock);
  visible.list.push_back(*this);
}

inspection::~inspection() {
  const std::lock_guard one_at_a_time(lifetimes);
  {
    const std::lock_guard guard(visible.lock);
    intrusive_list<inspection>::unlink(*this);
    if (!visible.list.empty()) return;
  }
  const std::unique_ptr<server> last(std::exchange(running, nullptr));
}

}  // namespace weft::detail
