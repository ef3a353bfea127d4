#include "wake_list.h"

#include <functional>

namespace weft::detail {

namespace {

// Two selects meet. The group at the lower address is held first: all who hold one group while they
// wait for another do it in this order, so they cannot wait for each other.
meeting claim_groups(wait_node& low, wait_node& high, meeting low_gone,
                     meeting high_gone) noexcept {
  if (!low.group->hold()) return low_gone;
  if (!high.group->hold()) {
    low.group->settle(wait_group::open);
    return high_gone;
  }
  low.group->settle(low.member);
  high.group->settle(high.member);
  return meeting::both;
}

}  // namespace

meeting claim_both(wait_node& self, wait_node& peer) noexcept {
  if (self.group == nullptr) return peer.claim() ? meeting::both : meeting::peer_gone;
  if (peer.group == nullptr) return self.claim() ? meeting::both : meeting::self_gone;
  assert(self.group != peer.group && "a select cannot meet itself");
  if (std::less<>()(self.group, peer.group)) {
    return claim_groups(self, peer, meeting::self_gone, meeting::peer_gone);
  }
  return claim_groups(peer, self, meeting::peer_gone, meeting::self_gone);
}

}  // namespace weft::detail
