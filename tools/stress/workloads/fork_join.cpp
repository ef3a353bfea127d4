#include "fork_join.h"

#include "../plant_yard.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::stress {

namespace {

constexpr std::uint64_t growers = 6;
constexpr unsigned depth_least = 2;
constexpr unsigned depths = 5;

/// What a node throws that is told to.
struct planned_failure : std::runtime_error {
  planned_failure() : std::runtime_error("planned failure") {}
};

enum class style : std::uint8_t { await_each, spawn_each, gather_all, fork_all, group_all };
constexpr std::uint64_t styles = 5;

/// What grows at a node: it follows from the seed alone.
struct branching {
  std::uint64_t children;
  style how;
  bool fails;
};
branching branching_at(std::uint64_t seed, unsigned depth) noexcept {
  random_stream random(seed);
  return {.children = depth == 0 ? 0 : 1 + random.below(3),
          .how = static_cast<style>(random.below(styles)),
          .fails = random.one_in(400)};
}

/// The nodes of a whole tree, and whether one of them fails.
struct expectation {
  std::uint64_t nodes = 1;
  bool fails = false;
};
expectation expect_tree(std::uint64_t seed, unsigned depth) noexcept {
  const branching here = branching_at(seed, depth);
  expectation total{1, here.fails};
  for (std::uint64_t i = 0; i < here.children; ++i) {
    const expectation child = expect_tree(mix(seed, i), depth - 1);
    total.nodes += child.nodes;
    total.fails |= child.fails;
  }
  return total;
}

struct tree {
  stage& on;
  ticket_counter nodes;
  std::atomic<std::int64_t> running{0};  // relaxed: read when all have ended

  explicit tree(stage& where) noexcept : on(where) {}
};

/// A node's body is running.
class presence {
 public:
  explicit presence(std::atomic<std::int64_t>& running) noexcept : running_(running) {
    running_.fetch_add(1, std::memory_order_relaxed);
  }
  presence(const presence&) = delete;
  presence& operator=(const presence&) = delete;
  ~presence() { running_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t>& running_;
};

task<std::uint64_t> grow(tree& of, std::uint64_t seed, unsigned depth);

std::vector<task<std::uint64_t>> children_of(tree& of, std::uint64_t seed, unsigned depth,
                                             std::uint64_t count) {
  std::vector<task<std::uint64_t>> children;
  for (std::uint64_t i = 0; i < count; ++i) children.push_back(grow(of, mix(seed, i), depth - 1));
  return children;
}

std::uint64_t sum(const std::vector<std::uint64_t>& values) noexcept {
  return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

task<std::uint64_t> grow_one_by_one(std::vector<task<std::uint64_t>> children, bool spawned) {
  std::uint64_t nodes = 0;
  for (auto& child : children) {
    if (spawned) {
      nodes += co_await spawn(std::move(child));
    } else {
      nodes += co_await std::move(child);
    }
  }
  co_return nodes;
}

task<> add_nodes(task<std::uint64_t> child, std::atomic<std::uint64_t>& nodes) {
  nodes.fetch_add(co_await std::move(child), std::memory_order_relaxed);
}

task<std::uint64_t> grow_group(std::vector<task<std::uint64_t>> children) {
  std::atomic<std::uint64_t> nodes{0};  // relaxed: the group has ended when it is read
  auto body = [&](task_group& group) {
    for (auto& child : children) group.spawn(add_nodes(std::move(child), nodes));
  };
  co_await with_task_group(body);
  co_return nodes.load(std::memory_order_relaxed);
}

task<std::uint64_t> grow(tree& of, std::uint64_t seed, unsigned depth) {
  const presence here(of.running);
  const branching shape = branching_at(seed, depth);
  random_stream random(~seed);
  co_await of.on.waver(random);
  of.nodes.complete();
  if (of.on.strikes(plant::double_completion)) of.nodes.complete();
  if (shape.fails) throw planned_failure();
  auto children = children_of(of, seed, depth, shape.children);
  std::uint64_t below = 0;
  switch (shape.how) {
    case style::await_each:
    case style::spawn_each:
      below = co_await grow_one_by_one(std::move(children), shape.how == style::spawn_each);
      break;
    case style::gather_all:
      below = sum(co_await gather(std::move(children)));
      break;
    case style::fork_all:
      below = sum(co_await fork_all(std::move(children)));
      break;
    case style::group_all:
      below = co_await grow_group(std::move(children));
      break;
  }
  co_await of.on.waver(random);
  co_return 1 + below;
}

task<std::uint64_t> grow_root(std::shared_ptr<tree> of, std::uint64_t seed, unsigned depth) {
  co_return co_await grow(*of, seed, depth);
}

bool is_planned_failure(const std::exception_ptr& error);

bool is_refusal(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const invalid_state_error&) {
    return true;
  } catch (...) {  // anything else
    return false;
  }
}

/// All of them, but for one refusal: that of the body, if a child fails while it still spawns.
bool are_planned_failures(const exception_group& group) {
  const auto& all = group.exceptions();
  const auto planned = std::count_if(all.begin(), all.end(), is_planned_failure);
  const auto refused = std::count_if(all.begin(), all.end(), is_refusal);
  return planned > 0 && refused <= 1 && planned + refused == std::ssize(all);
}

/// Also one that groups have wrapped.
bool is_planned_failure(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const planned_failure&) {
    return true;
  } catch (const exception_group& group) {
    return are_planned_failures(group);
  } catch (...) {  // anything else
    return false;
  }
}

void judge(stage& on, tree& grown, const expectation& expected, const result<std::uint64_t>& ended,
           bool was_cancelled) {
  on.check(grown.running.load(std::memory_order_relaxed) == 0, invariant::cancellation,
           "nodes of a tree run after its end");
  if (ended.has_value()) {
    on.check(!expected.fails, invariant::exactly_once, "the failure of a node was lost");
    const std::uint64_t ran = grown.nodes.completed();
    if (*ended != expected.nodes || ran != expected.nodes) {
      on.check(false, invariant::exactly_once,
               "a tree of " + std::to_string(expected.nodes) + " nodes counts " +
                   std::to_string(*ended) + ", and " + std::to_string(ran) + " ran" +
                   (was_cancelled ? "; it was cancelled" : "") +
                   (on.plan().is_cut_short ? "; cut short" : ""));
    }
  } else if (ended.cancelled()) {
    on.check(was_cancelled || on.plan().is_cut_short, invariant::cancellation,
             "a tree was cancelled that nobody cancelled");
  } else {
    on.check(expected.fails && is_planned_failure(ended.error()), invariant::no_unexpected_failure,
             "a tree failed that was not told to");
  }
}

task<> fail_unseen() {
  throw std::logic_error("a failure that nobody expects");
  co_return;
}

}  // namespace

task<> fork_join::grow_trees(stage& on, std::uint64_t number) {
  heartbeat alive(on.dog(), "grower " + std::to_string(number));
  random_stream random = on.random(number);
  while (!on.is_over()) {
    const std::uint64_t seed = random.next();
    const auto depth = static_cast<unsigned>(depth_least + random.below(depths));
    auto grown = std::make_shared<tree>(on);
    auto handle = spawn(grow_root(grown, seed, depth));
    const bool cancels = random.one_in(4);
    if (cancels) {
      co_await on.waver(random);
      handle.cancel();
    }
    const result<std::uint64_t> ended = co_await as_result(handle);
    judge(on, *grown, expect_tree(seed, depth), ended, cancels);
    alive.beat(grown->nodes.completed());
  }
}

bool fork_join::is_planned(const std::exception_ptr& failure) const {
  return is_planned_failure(failure);
}

task<> fork_join::run(stage& on) {
  if (on.strikes(plant::leaked_memory)) plant_yard::get().leak_memory();
  if (on.strikes(plant::leaked_task)) plant_yard::get().leak_task();
  if (on.strikes(plant::stray_exception)) spawn(fail_unseen()).detach();
  auto body = [&](task_group& group) {
    for (std::uint64_t i = 0; i < growers; ++i) group.spawn(grow_trees(on, i));
  };
  co_await with_task_group(body);
}

}  // namespace weft::stress
