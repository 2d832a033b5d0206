"""A softmax of one comparison and one square, and the method that puts it into every layer."""

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.model.operators.operator import Operator
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover


def squared_relu(ops, scores, keep, coefficients):
    """Return relu(x / 2)**2 / n, n the keys that are kept: no exponential, no maximum, no division."""
    weights = ops.mask(ops.square(ops.relu(ops.scale(scores, 0.5))), keep)
    return ops.scale(weights, 1 / keep.sum(-1, keepdim=True)), None


SQUARED_RELU = Operator(squared_relu, paper="made up for the documentation")


class SquaredRelu:
    """Replace the softmax everywhere at once, and train the model back."""

    info = MethodInfo(
        name="squared_relu",
        version="1",
        summary="softmax becomes a squared ReLU over the length",
        paper="made up for the documentation",
        bibtex="@misc{squaredrelu, title={An example}}",
        variants=(Variant("all layers"),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Return the changed model, recovered."""
        student = dense.rebuilt(dense.architecture.with_layers(softmax="squared_relu"))
        return recover(student, dense, data, budget)
