from .classification import accuracy, class_accuracy, class_f1, confusion_matrix, macro_f1, mean_class_accuracy

__all__ = ['accuracy', 'class_accuracy', 'class_f1', 'confusion_matrix', 'macro_f1', 'mean_class_accuracy']
