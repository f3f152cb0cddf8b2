"""The parts of looking after indexes: how one stands, whether two are the same, what is used, what datactl made."""
