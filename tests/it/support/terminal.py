# Runs a program on a terminal: terminal.py WAIT KEYS PROGRAM ARGS... It types KEYS once WAIT was printed.
import os
import pty
import select
import sys
import time

wait, keys, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)
said, end = b"", time.monotonic() + 60
while time.monotonic() < end:
    if not select.select([terminal], [], [], 0.2)[0]:
        # Nothing more comes: it waits for keys.
        if wait.encode() in said:
            os.write(terminal, keys[:1].encode())
            keys = keys[1:]
        continue
    try:
        said += os.read(terminal, 65536)
    except OSError:
        break
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
