"""A terminal for tests: what a person would see of what was written."""

import fcntl
import re
import struct
import termios

CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal:
    """One that breaks long lines anew where it becomes narrower, as most do."""

    def __init__(self, width):
        self.width = width
        self.rows = [["", False]]  # text, and whether it goes on in the next row
        self.y = self.x = 0

    def feed(self, text):
        while text:
            if code := CODE.match(text):
                self._obey(*code.groups())
                text = text[code.end() :]
                continue
            self._put(text[0])
            text = text[1:]

    def _put(self, sign):
        if sign == "\r":
            self.x = 0
        elif sign == "\n":
            self._down(goes_on=False)
        else:
            if self.x == self.width:
                self._down(goes_on=True)
            row = self.rows[self.y][0].ljust(self.x)
            self.rows[self.y][0] = row[: self.x] + sign + row[self.x + 1 :]
            self.x += 1

    def _down(self, *, goes_on):
        self.rows[self.y][1] = goes_on
        self.y, self.x = self.y + 1, 0
        if self.y == len(self.rows):
            self.rows.append(["", False])

    def _obey(self, number, letter):
        if letter == "A":
            self.y = max(self.y - int(number or 1), 0)
        elif letter == "K":
            assert number == "2"
            self.rows[self.y] = ["", False]
        else:
            assert letter in "mhl", letter

    def resize(self, width):
        """With the cursor at the end of all that there is."""
        assert self.y == len(self.rows) - 1
        whole, self.width = "", width
        for text, goes_on in self.rows:
            whole += text if goes_on else f"{text}\n"
        self.rows, self.y, self.x = [["", False]], 0, 0
        self.feed(whole.removesuffix("\n"))

    @property
    def lines(self):
        return [text.rstrip() for text, _ in self.rows if text.strip()]


def set_width(handle, columns):
    """Of a real pseudo-terminal."""
    fcntl.ioctl(handle, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
