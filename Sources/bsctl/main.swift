import Glibc

// A reader that goes away must be an error, not the end.
signal(SIGPIPE, SIG_IGN)

exit(Program.run(Program.argumentBytes()))
