#include "pagealloc/fork_safety.h"

#include <pthread.h>

namespace pagealloc {
namespace {

// Not a Mutex: heaps may leave after the destructors of static objects have run.
pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
ForkParticipant* first = nullptr;

pthread_once_t registered = PTHREAD_ONCE_INIT;
int registration_error = 0;

void LockList() {
  const int error = ::pthread_mutex_lock(&list_lock);
  PA_EXPECT(error == 0, error);
}
void UnlockList() {
  const int error = ::pthread_mutex_unlock(&list_lock);
  PA_EXPECT(error == 0, error);
}

}  // namespace

struct ForkHandlers {
  static void Before() {
    LockList();
    for (ForkParticipant* p = first; p != nullptr; p = p->next_) p->LockForFork();
  }
  static void After() {
    for (ForkParticipant* p = first; p != nullptr; p = p->next_) p->UnlockAfterFork();
    UnlockList();
  }
  static void AfterInChild() {
    for (ForkParticipant* p = first; p != nullptr; p = p->next_) p->UnlockInChild();
    UnlockList();
  }
};

OsStatus ForkParticipant::JoinForks() {
  PA_EXPECT(!joined_);
  // Not under the list's lock: a fork that is under way holds libc's lock of handlers and waits for
  // the list's.
  ::pthread_once(&registered, [] {
    registration_error =
        ::pthread_atfork(ForkHandlers::Before, ForkHandlers::After, ForkHandlers::AfterInChild);
  });
  if (registration_error != 0) return {OsCall::kReserve, registration_error, ByteCount{0}};
  LockList();
  next_ = first;
  if (first != nullptr) first->previous_ = this;
  first = this;
  joined_ = true;
  UnlockList();
  return OsStatus::Ok();
}

void ForkParticipant::LeaveForks() {
  if (!joined_) return;
  LockList();
  if (next_ != nullptr) next_->previous_ = previous_;
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    first = next_;
  }
  next_ = nullptr;
  previous_ = nullptr;
  joined_ = false;
  UnlockList();
}

}  // namespace pagealloc
