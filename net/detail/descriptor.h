#pragma once

#include "../../runtime/detail/descriptor.h"  // IWYU pragma: export
