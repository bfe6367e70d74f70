"""Draws the pictures of the documentation: what the demo and the doctor print, as SVG.

`make pictures` writes them anew beside this file, by running the server on its made-up account.
"""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Final, TypeAlias

import anyio
from rich.console import Console
from rich.text import Text

from mcp_server.demo import Caller, Guide, resync_after_preview, sandbox_client, what_is_broken

HERE: Final = Path(__file__).parent
WIDTH: Final = 100
DOCTOR: Final = "mcp-server-fivetran --sandbox --mode write doctor"

Step: TypeAlias = Callable[[Guide, Caller], Awaitable[None]]

STEPS: Final[dict[str, Step]] = {"broken": what_is_broken, "preview": resync_after_preview}
TITLES: Final = {
    "broken": "make demo: what is broken, and why",
    "preview": "make demo: a resync, refused with its preview, then confirmed",
}

# As rich's own, but for web fonts: a picture in a README may load nothing.
FORMAT: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def recorder() -> Console:
    """Make a terminal that shows nothing and remembers everything."""
    return Console(
        record=True,
        file=StringIO(),
        width=WIDTH,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
    )


async def steps() -> dict[str, Console]:
    """Walk through the steps that are drawn, each on a server of its own."""
    drawn: dict[str, Console] = {}
    for name, step in STEPS.items():
        drawn[name] = recorder()
        async with sandbox_client("--mode", "full") as client:
            guide = Guide(drawn[name])
            await step(guide, Caller(client, guide))
    return drawn


def doctor() -> Console:
    """Run the doctor as a person would."""
    _, *arguments = DOCTOR.split()
    said = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", "mcp_server", *arguments],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
        # Nothing of this shell's: no settings, and a terminal of this width.
        env={"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)},
    )
    console = recorder()
    console.print(Text(f"$ {DOCTOR}", style="bold"))
    console.print(Text.from_ansi(said.stdout))
    return console


def draw(folder: Path) -> list[Path]:
    """Write every picture into a folder."""
    consoles = {**anyio.run(steps), "doctor": doctor()}
    titles = {**TITLES, "doctor": "mcp-server-fivetran doctor"}
    written = []
    for name, console in consoles.items():
        path = folder / f"{name}.svg"
        # An id of its own: pictures within one page would share their styles.
        svg = console.export_svg(title=titles[name], code_format=FORMAT, unique_id=name)
        path.write_text(svg, encoding="utf-8", newline="\n")
        written.append(path)
    return written


if __name__ == "__main__":
    for picture in draw(HERE):
        print(picture.relative_to(Path.cwd()) if picture.is_relative_to(Path.cwd()) else picture)
