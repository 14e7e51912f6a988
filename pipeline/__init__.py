"""How the parts are joined and started; `cli` is the command line."""
