print("bsctl")
