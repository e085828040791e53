// As rd.h: the clock stands there.
#pragma once
#include "rd.h"
