# cmake -D SOURCE=folder -D OUTPUT=file.h -P write_commit.cmake
#
# Writes `#define PAGEALLOC_COMMIT "…"`: 12 digits of HEAD, "-dirty" behind them if tracked files
# differ from it, or "unknown": no git, no commit yet, or SOURCE is an unpacked archive (which may lie
# inside some other repository, whose commit would be a lie). Leaves OUTPUT alone if nothing changed.
set(commit "unknown")
find_program(GIT git)
if(GIT)
  set(git ${GIT} --no-optional-locks -C ${SOURCE})
  execute_process(COMMAND ${git} rev-parse --show-toplevel RESULT_VARIABLE failed
                  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH "${SOURCE}" source)
  if(NOT failed AND top STREQUAL source)
    execute_process(COMMAND ${git} rev-parse --verify --short=12 HEAD RESULT_VARIABLE failed
                    OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(commit ${head})
      execute_process(COMMAND ${git} status --porcelain --untracked-files=no
                      OUTPUT_VARIABLE changes ERROR_QUIET)
      if(changes)
        string(APPEND commit "-dirty")
      endif()
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT "#define PAGEALLOC_COMMIT \"${commit}\"\n")
