/// environment_json.h: an environment file as JSON.
#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace pagealloc::bench {

/// An object, empty for a text that is none. What lies deeper than any environment file does is
/// left out: those who walk through it may use the stack.
inline nlohmann::json EnvironmentJson(const std::string& text) {
  constexpr int kDeepest = 16;
  const auto keep = [](int depth, nlohmann::json::parse_event_t /*event*/,
                       nlohmann::json& /*value*/) { return depth <= kDeepest; };
  nlohmann::json json = nlohmann::json::parse(text, keep, false);
  return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace pagealloc::bench
