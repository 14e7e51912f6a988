"""How the parts are joined and started: config, runner options, graph, command line."""
