// Items between tasks: each arrives once and whole, in order, or stays where it was, whoever gives
// up or closes meanwhile.

#include "../../runtime/spawn.h"
#include "../../sync/channel.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

/// An item whose content is watched for races, and lies apart from it.
using item = std::unique_ptr<int>;

item make_item(int value) {
  return std::make_unique<int>(value);
}

task<> send_two(channel<item>& into) {
  for (int i = 1; i <= 2; ++i) {
    const bool sent = co_await into.send(make_item(i));
    check(sent, "the channel is closed");
  }
}

task<> receive_two(channel<item>& from) {
  for (int i = 1; i <= 2; ++i) {
    const std::optional<item> received = co_await from.recv();
    check(received && **received == i, "not the next item");
  }
}

void stream(std::size_t capacity) {
  scheduler runs(2);
  channel<item> between(capacity);
  const auto sender = spawn(send_two(between));
  const auto receiver = spawn(receive_two(between));

  run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

  check(sender.done() && receiver.done(), "one has not ended");
}

const registered_model stream_buffered("Channel", "SendAgainstReceive_KeepsTheOrder",
                                       {.preemptions = 2}, [] { stream(1); });
const registered_model stream_rendezvous("Channel", "SendAgainstReceiveWithoutBuffer_Meet",
                                         {.preemptions = 2}, [] { stream(0); });

task<> receive_one(channel<item>& from, outcome& into) {
  try {
    const std::optional<item> received = co_await from.recv();
    check(!received || **received == the_value, "not the item that was sent");
    into.is(received ? end::value : end::closed);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

task<> send_one(channel<item>& into, outcome& of_send) {
  try {
    const bool sent = co_await into.send(make_item(the_value));
    of_send.is(sent ? end::value : end::closed);
  } catch (const cancelled_error&) {
    of_send.is(end::cancelled);
  }
}

const registered_model cancel_receive(
    "Channel", "SendAgainstCancelOfTheReceive_LosesNoItem", {.preemptions = 2, .stale_reads = 1},
    [] {
      scheduler runs;
      channel<item> between(1);
      outcome seen;
      auto receiver = spawn(receive_one(between, seen));

      run_threads([&] { runs.work(); },
                  [&] { check(between.try_send(make_item(the_value)), "there is room"); },
                  [&] { receiver.cancel(); });

      check(between.size() == (seen.how == end::value ? 0U : 1U), "the item is lost or doubled");
    });

const registered_model cancel_send(
    "Channel", "ReceiveAgainstCancelOfTheSend_TakesTheItemOrLeavesIt",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      channel<item> between(0);
      outcome of_send;
      auto sender = spawn(send_one(between, of_send));
      bool received = false;

      run_threads([&] { runs.work(); },
                  [&] {
                    const std::optional<item> taken = between.try_recv();
                    received = taken.has_value();
                    check(!received || **taken == the_value, "not the item that was sent");
                  },
                  [&] { sender.cancel(); });

      check(received == (of_send.how == end::value), "the item is lost or doubled");
    });

const registered_model close_and_receive(
    "Channel", "CloseAgainstSendAndReceive_LosesNoItem", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      channel<item> between(0);
      outcome of_send, of_receive;
      const auto sender = spawn(send_one(between, of_send));
      const auto receiver = spawn(receive_one(between, of_receive));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { between.close(); });

      check(of_send.how == of_receive.how, "the item is lost or doubled");
      check(of_send.how == end::value || of_send.how == end::closed, "no end");
    });

// Room for one of two that wait: the other one is told.
const registered_model close_and_send(
    "Channel", "CloseAgainstAFullChannel_LeavesWhatWasSent", {.preemptions = 2, .stale_reads = 1},
    [] {
      scheduler runs;
      channel<item> between(1);
      check(between.try_send(make_item(the_value)), "there is room");
      outcome of_first, of_second;
      const auto first = spawn(send_one(between, of_first));
      const auto second = spawn(send_one(between, of_second));
      unsigned taken = 0;

      run_threads([&] { runs.work(); },
                  [&] {
                    if (between.try_recv()) ++taken;
                  },
                  [&] { between.close(); });
      while (between.try_recv()) ++taken;

      const unsigned sent =
          (of_first.how == end::value ? 1u : 0u) + (of_second.how == end::value ? 1u : 0u);
      check(taken == 1 + sent, "an item is lost or doubled");
      check(of_first.how != end::none && of_second.how != end::none, "no end");
    });

}  // namespace
}  // namespace weft::model
