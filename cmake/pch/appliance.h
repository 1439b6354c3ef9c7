// The appliance's own: with Asio, JSON and the logger a source takes ten times as long to parse.
#pragma once

#include "cmake/pch/standard.h"

#include <filesystem>

#include <nlohmann/json.hpp>
#include <spdlog/logger.h>

#include "appliance/asio.h"
