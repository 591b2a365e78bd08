#!/bin/sh
# What follows the image's name: a command of `registry`; a configuration file, as images of Docker's
# registry take it, which means `serve`; or any program by its path, and a shell.
case "${1-}" in
    *.yml | *.yaml) exec registry serve "$@" ;;
    registry | sh | bash | python | python3 | /* | bin/*) exec "$@" ;;
    *) exec registry "$@" ;;
esac
