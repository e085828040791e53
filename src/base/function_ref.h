// FunctionRef: a borrowed callable, two words, no allocation. For parameters that are called before the function
// returns; never kept.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace keelson {

template <class Signature>
class FunctionRef;

template <class Out, class... In>
class FunctionRef<Out(In...)> {
 public:
  template <class Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
             std::is_invocable_r_v<Out, Callable&, In...>)
  FunctionRef(Callable&& callable)  // NOLINT(google-explicit-constructor): a lambda is given where this is asked for
      : callable_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* target, In... arguments) -> Out {
          return (*static_cast<std::remove_reference_t<Callable>*>(target))(std::forward<In>(arguments)...);
        }) {}

  Out operator()(In... arguments) const { return call_(callable_, std::forward<In>(arguments)...); }

 private:
  void* callable_;
  Out (*call_)(void*, In...);
};

}  // namespace keelson
