"""The command line: one file per command, named here with its line of help, so that `paredown --help` imports none of them."""

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("paredown.cli.init:command", "Write a commented job.yaml to start from."),
    "run": ("paredown.cli.run:command", "Search, measure, confirm on test and release what passes the policy."),
    "measure": ("paredown.cli.measure:command", "Measure an artifact, alone or against another model, interleaved."),
    "compare": ("paredown.cli.compare:command", "Measure two models interleaved, and compare their answers."),
    "check": ("paredown.cli.check:command", "Hold an artifact against a policy."),
    "verify": ("paredown.cli.verify:command", "Prove that an artifact and its evidence are what was written."),
    "report": ("paredown.cli.report:command", "Write and show the report of a study again."),
    "when": ("paredown.cli.when:command", "Find the time of least carbon for a job within a deadline, and compare places."),
    "whatif": ("paredown.cli.whatif:command", "Model a study's models on other machines, and how many of them a load needs."),
    "export": ("paredown.cli.export:command", "Write records of energy in another tool's format."),
    "apply": ("paredown.cli.apply:command", "Build one recipe, without a search."),
    "predict": ("paredown.cli.predict:command", "Answer rows of a file with an artifact."),
    "list": (
        "paredown.cli.list:command",
        "List units of each kind, from techniques to exports, and policies, quantities, zones and machines.",
    ),
    "show": ("paredown.cli.show:command", "Show a unit with its knobs, a recipe as a tree, or a study with its trials."),
    "doctor": ("paredown.cli.doctor:command", "Say what this machine can run and measure, and what is missing."),
}
