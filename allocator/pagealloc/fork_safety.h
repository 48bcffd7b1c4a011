/// fork_safety.h: objects whose locks are held across fork(), so that the child can use them.
///
/// A child has the one thread that forked, and copies of all locks. One that another thread held
/// would never be released there, and what it protects might be half done. So before a fork every
/// participant's locks are taken, and after it released, in the parent and in the child.
/// pthread_atfork is called once in a process. Go: has no fork; libc's malloc does the same.
#pragma once

#include "pagealloc/contract.h"
#include "pagealloc/os_memory.h"

namespace pagealloc {

class ForkParticipant {
 public:
  ForkParticipant() = default;
  ForkParticipant(const ForkParticipant&) = delete;
  ForkParticipant& operator=(const ForkParticipant&) = delete;
  virtual ~ForkParticipant() { PA_EXPECT(!joined_); }

 protected:
  /// From now on both functions below are called around every fork. Not twice without
  /// LeaveForks() in between (contract). Refused only
  /// where the process cannot register a handler.
  OsStatus JoinForks();
  /// Comes before anything that the two functions use is destroyed (contract: before the end of
  /// this object). Without effect if it never joined.
  void LeaveForks();

 private:
  friend struct ForkHandlers;

  /// Takes all locks. No other participant's locks are held by this thread but for this purpose.
  virtual void LockForFork() = 0;
  /// Releases them, in the parent and, unless UnlockInChild() says otherwise, in the child.
  virtual void UnlockAfterFork() = 0;
  /// The same in the child, where all other threads are gone.
  virtual void UnlockInChild() { UnlockAfterFork(); }

  bool joined_ = false;
  ForkParticipant* next_ = nullptr;
  ForkParticipant* previous_ = nullptr;
};

}  // namespace pagealloc
