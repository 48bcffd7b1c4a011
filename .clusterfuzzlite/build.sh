#!/bin/bash -eu
# What the image of OSS-Fuzz starts.
exec "$SRC/pagealloc/fuzz/build.sh"
