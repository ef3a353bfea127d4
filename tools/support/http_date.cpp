#include "http_date.h"

#include <cstdio>

#include <time.h>

namespace weft::tools {

namespace {

// strftime would follow the locale.
constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t date_length = std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size();

}  // namespace

std::string_view http_date::now() noexcept {
  // The coarse clock is a quarter of the price, and a second is coarse enough.
  timespec time{};
  (void)::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return at(time.tv_sec);
}

std::string_view http_date::at(std::time_t second) noexcept {
  if (second != second_) {
    second_ = second;
    std::tm utc{};
    (void)::gmtime_r(&second, &utc);
    std::snprintf(text_.data(), text_.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                  days[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                  months[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                  utc.tm_min, utc.tm_sec);
  }
  return {text_.data(), date_length};
}

}  // namespace weft::tools
