"""Group l2tp: set-ups per second, memory and idle processor time of the control plane, with 10,000 sessions on one and on
1,000 control connections. Engines alone, joined in one process: no socket, no TAP, no kernel."""
import json
import pathlib
import subprocess

from report import line

SESSIONS = 10_000
CONNECTIONS = (1, 1_000)
FIGURES = {"setups_per_second": "sessions/s", "bytes_per_session": "B", "idle_cpu": "CPU"}


def run(group, profile, build, log):
    program = pathlib.Path(build) / "tests" / "bench" / "l2tp-control-bench"
    subprocess.run(["cmake", "--build", build, "--target", "l2tp-control-bench", "--", "-k", "0"], check=True,
                   stdout=subprocess.DEVNULL)
    lines = []
    for connections in CONNECTIONS:
        log(f"{group}: {SESSIONS} sessions on {connections} control connection(s)")
        out = subprocess.run([program, str(connections), str(SESSIONS)], check=True, capture_output=True, text=True)
        found = json.loads(out.stdout)
        for figure, unit in FIGURES.items():
            lines.append(line(group, f"l2tp_{figure}_{connections}_connections", profile, found[figure], unit=unit))
    return lines


def markdown(lines):
    text = "| | " + " | ".join(f"{c:,} connection(s)" for c in CONNECTIONS) + " |\n|---|" + "---|" * len(CONNECTIONS) + "\n"
    for figure, unit in FIGURES.items():
        values = [x["ours"] for c in CONNECTIONS for x in lines if x["figure"] == f"l2tp_{figure}_{c}_connections"]
        text += f"| {figure.replace('_', ' ')}, {unit} | " + " | ".join(f"{v:,.6g}" for v in values) + " |\n"
    return text
