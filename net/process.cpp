// Who waits for a child holds a mutex of tasks: the first one waits at the pidfd, which takes one
// reader, the others in line behind it. Once the end is known all pass at once, and if the first
// one is cancelled the next takes its place. So there is no task that only waits for a child whose
// handle is held, and none that the end of a runtime has to stop.

#include "process.h"

#include "../runtime/as_result.h"
#include "../runtime/cancel.h"
#include "../runtime/detail/address_space.h"
#include "../runtime/detail/child_process.h"
#include "../runtime/detail/io_operation.h"
#include "../runtime/gather.h"
#include "../runtime/select.h"
#include "../runtime/sleep.h"
#include "../runtime/spawn.h"
#include "../runtime/to_thread.h"
#include "../sync/mutex.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;

constexpr auto stop_grace = 2s;

constexpr std::size_t in = 0, out = 1, err = 2;

detail::child_stream::kind kind_of(process::stream stream) noexcept {
  switch (stream) {
    case process::inherit:
      return detail::child_stream::kind::inherited;
    case process::piped:
      return detail::child_stream::kind::descriptor;
    case process::null:
      return detail::child_stream::kind::null;
    case process::to_stdout:
      return detail::child_stream::kind::output;
  }
  return detail::child_stream::kind::inherited;
}

constexpr const char* pipe_name = "pipe for a process";

[[noreturn]] void fail_pipe(int error) {
  detail::throw_system_error(error, pipe_name);
}

/// A pipe of which the child gets one end.
struct child_pipe {
  detail::descriptor ours, theirs;
};

/// Both ends are above 2: the child puts its streams there one after the other.
child_pipe open_pipe(std::size_t stream) {
  int ends[2];
  if (const int failed = detail::sys::pipe(ends); failed < 0) fail_pipe(-failed);
  const auto [ours, theirs] =
      stream == in ? std::pair(ends[1], ends[0]) : std::pair(ends[0], ends[1]);
  child_pipe made;
  made.ours = detail::descriptor(ours, true);
  const int moved = detail::sys::move_above_standard(theirs);
  made.theirs = detail::descriptor(moved, false);
  if (moved < 0) fail_pipe(-moved);
  if (!made.ours || !made.theirs) detail::throw_no_source(made.ours ? moved : ours, pipe_name);
  // The child expects its calls to wait.
  if (const int failed = detail::sys::set_blocking(made.theirs.fd()); failed < 0)
    fail_pipe(-failed);
  return made;
}

task<> feed(std::optional<buffered_writer<pipe_writer>>& to, byte_view input) {
  if (!to) co_return;
  // A process that does not want all of its input is no error.
  const result<void> written = co_await as_result(to->write_all(input));
  const result<void> closed = co_await as_result(to->close());
  for (const result<void>& each : {written, closed}) {
    if (each.error_code() != std::errc::broken_pipe) each.value();
  }
}

task<std::string> collect(std::optional<buffered_reader<pipe_reader>>& from) {
  if (!from) co_return std::string();
  co_return co_await from->read_all();
}

}  // namespace

/// What start() needs, in memory of its own: it goes to another thread.
struct process::launch {
  detail::child_setup setup;
  std::array<stream, 3> streams{};
};

struct process::state {
  state() = default;
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() {
    if (exit != nullptr) exit->close();
  }

  std::optional<detail::child_process> child;
  detail::io_source* exit = nullptr;  // of child->exit_handle(); null: it had ended at once
  mutex turn;                         // to wait at `exit`
  std::optional<buffered_writer<pipe_writer>> to_child;
  std::optional<buffered_reader<pipe_reader>> from_child, errors_from_child;
};

// ---- Start --------------------------------------------------------------------------------------

std::unique_ptr<process::launch> process::prepare(argv words, const options& with) {
  if (with.stdin_ == to_stdout || with.stdout_ == to_stdout)
    throw std::invalid_argument("process: to_stdout is for stderr");
  auto made = std::make_unique<launch>();
  made->setup.words = std::move(words).words();
  made->setup.folder = with.cwd;
  made->setup.environment.assign(with.env.begin(), with.env.end());
  made->setup.own_environment = !with.env.empty();
  made->setup.new_session = with.new_session;
  made->streams = {with.stdin_, with.stdout_, with.stderr_};
  return made;
}

/// On a thread that may block.
std::shared_ptr<process::state> process::begin(std::unique_ptr<launch> what) {
  auto made = std::make_shared<state>();
  std::array<detail::descriptor, 3> theirs;
  for (const std::size_t each : {in, out, err}) {
    what->setup.streams[each].what = kind_of(what->streams[each]);
    if (what->streams[each] != piped) continue;
    child_pipe opened = open_pipe(each);
    theirs[each] = std::move(opened.theirs);
    what->setup.streams[each].fd = theirs[each].fd();
    if (each == in) made->to_child.emplace(pipe_writer(std::move(opened.ours)));
    if (each == out) made->from_child.emplace(pipe_reader(std::move(opened.ours)));
    if (each == err) made->errors_from_child.emplace(pipe_reader(std::move(opened.ours)));
  }
  made->child.emplace(what->setup);
  const int handle = made->child->exit_handle();
  if (handle < 0) return made;
  made->exit = detail::io_source::open(handle, true);
  if (made->exit == nullptr) detail::throw_no_source(handle, "descriptor of a process");
  return made;
}

task<process> process::start(std::unique_ptr<launch> what) {
  std::shared_ptr<state> started = co_await to_thread(begin, std::move(what));
  co_return process(std::move(started));
}

task<process> process::spawn(argv words, options with) {
  return start(prepare(std::move(words), with));
}
task<process> process::spawn(argv words) {
  return spawn(std::move(words), options{});
}

// ---- End ----------------------------------------------------------------------------------------

class process::exit_wait : public detail::io_operation {
 public:
  explicit exit_wait(state& waited) noexcept
      : io_operation(waited.exit, detail::io_direction::read, look), state_(&waited) {}
  void await_resume() const {
    check_outcome();
    if (value < 0) detail::throw_system_error(static_cast<int>(-value), "wait for a process");
  }

 private:
  static detail::io_progress look(io_operation& self) noexcept {
    auto& wait = static_cast<exit_wait&>(self);
    if (!wait.state_->child->try_reap()) return detail::io_progress::blocked;
    wait.value = 0;
    return detail::io_progress::done;
  }

  state* state_;
};

task<exit_status> process::wait_for_end(std::shared_ptr<state> waited) {
  if (!waited->child->try_reap()) {
    const lock_guard first = co_await waited->turn.lock();
    if (!waited->child->try_reap()) co_await exit_wait(*waited);
  }
  co_return exit_status(waited->child->code());
}

task<exit_status> process::wait() {
  return wait_for_end(checked());
}

/// Of a process whose handle is gone. A reaper of one that was let go is cancelled with the
/// runtime, and leaves it to a later start.
task<> process::reap(std::shared_ptr<state> left, ending how) {
  std::optional<cancel_shield> shield;
  if (how == ending::killed) shield.emplace();
  (void)co_await wait_for_end(std::move(left));
}

/// Where no task can be spawned, the destructor of the state does what is to be done.
void process::leave(ending how) noexcept {
  try {
    weft::spawn(reap(std::exchange(state_, nullptr), how), {.name = "end of a process"}).detach();
  } catch (...) {  // not on a worker, or no memory
  }
}

void process::drop() noexcept {
  if (state_ == nullptr) return;
  if (state_->child->send_signal(SIGKILL)) return leave(ending::killed);
  state_ = nullptr;
}

void process::detach() noexcept {
  if (state_ == nullptr) return;
  state_->child->let_go();
  leave(ending::let_go);
}

/// SIGTERM, then SIGKILL.
task<> process::stop(std::shared_ptr<state> stopped) {
  const cancel_shield shield;
  stopped->child->send_signal(SIGTERM);
  const auto first = co_await select(wait_for_end(stopped), sleep(stop_grace));
  if (first.index() == 0) co_return;
  stopped->child->send_signal(SIGKILL);
  (void)co_await wait_for_end(stopped);
}

// ---- The rest -----------------------------------------------------------------------------------

task<process_output> process::converse(std::shared_ptr<state> with, byte_view input) {
  std::exception_ptr failure;
  try {
    auto [fed, text, errors] = co_await gather(
        feed(with->to_child, input), collect(with->from_child), collect(with->errors_from_child));
    static_cast<void>(fed);
    (void)co_await wait_for_end(with);
    co_return process_output{.out = std::move(text), .err = std::move(errors)};
  } catch (...) {  // rethrown when the process has ended
    failure = std::current_exception();
  }
  co_await stop(std::move(with));
  std::rethrow_exception(std::move(failure));
}

task<process_output> process::communicate(byte_view input) {
  return converse(checked(), input);
}

const std::shared_ptr<process::state>& process::checked() const {
  if (state_ == nullptr) detail::throw_invalid_state("a process that was detached or moved from");
  return state_;
}

bool process::send_signal(int signal) noexcept {
  return state_ != nullptr && state_->child->send_signal(signal);
}
bool process::kill() noexcept {
  return send_signal(SIGKILL);
}
bool process::terminate() noexcept {
  return send_signal(SIGTERM);
}

pid_t process::pid() const {
  return checked()->child->pid();
}

buffered_writer<pipe_writer>& process::stdin_() {
  if (!checked()->to_child) detail::throw_invalid_state("stdin of this process is not piped");
  return *state_->to_child;
}
buffered_reader<pipe_reader>& process::stdout_() {
  if (!checked()->from_child) detail::throw_invalid_state("stdout of this process is not piped");
  return *state_->from_child;
}
buffered_reader<pipe_reader>& process::stderr_() {
  if (!checked()->errors_from_child)
    detail::throw_invalid_state("stderr of this process is not piped");
  return *state_->errors_from_child;
}

namespace {

task<completed_process> run_to_end(task<process> started) {
  process running = co_await std::move(started);
  process_output output = co_await running.communicate();
  const exit_status status = co_await running.wait();
  co_return completed_process{
      .status = status, .out = std::move(output.out), .err = std::move(output.err)};
}

}  // namespace

task<completed_process> run_process(argv words, process::options with) {
  if (with.stdin_ == process::inherit) with.stdin_ = process::null;
  if (with.stdout_ == process::inherit) with.stdout_ = process::piped;
  if (with.stderr_ == process::inherit) with.stderr_ = process::piped;
  return run_to_end(process::spawn(std::move(words), with));
}
task<completed_process> run_process(argv words) {
  return run_process(std::move(words), process::options{});
}

}  // namespace weft
