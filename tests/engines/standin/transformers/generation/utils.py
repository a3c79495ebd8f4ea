"""The loop of `generate`."""


class Shape:
    """As much of a tensor as the hook reads."""

    def __init__(self, *shape):
        self.shape = shape


class GenerationMixin:
    """Generates by calling itself."""

    def prepare_inputs_for_generation(self, input_ids, next_sequence_length=None, **kwargs):
        """Inputs of one forward pass."""
        length = next_sequence_length or input_ids.shape[1]
        return {"input_ids": Shape(input_ids.shape[0], length), "past_key_values": None}

    def _update_model_kwargs_for_generation(self, outputs, model_kwargs, **kwargs):
        return model_kwargs

    def __call__(self, **kwargs):
        return "logits"

    def generate(self, input_ids, max_new_tokens=4, **kwargs):
        """Prefill, then one pass per token."""
        rows, length = input_ids.shape
        outputs = self(**self.prepare_inputs_for_generation(input_ids))
        for n in range(max_new_tokens):
            if n:
                inputs = self.prepare_inputs_for_generation(
                    Shape(rows, length + n), next_sequence_length=1
                )
                outputs = self(**inputs)
            self._update_model_kwargs_for_generation(outputs, {})
        return Shape(rows, length + max_new_tokens)
