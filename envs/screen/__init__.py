"""Records a real X11 screen and what a person does on it as an OWAMcap recording.

    clock      one time for all: nanoseconds that never fall, and the X server's milliseconds brought to them
    listener   every key, button, wheel notch and pointer move, through XRecord
    pictures   the screen, grabbed at a fixed rate
    windows    the window in front, and those that must not be seen
    passwords  password fields of a Chromium browser, through its DevTools
    redaction  what must not be seen or read at a moment, from what was known before and after it
    keyboard   which keys are told of, and which are held, without those of a redacted time
    events     the MCAP file; video: the Matroska file
    control    stop, pause and resume from another terminal
    recorder   brings all of them into the order of time, and writes

Nothing is written before it is known whether it must be redacted; until then it is held back in memory.
"""
